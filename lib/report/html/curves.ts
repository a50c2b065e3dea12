/** Loss, metrics, learning rate, waiting, memory over steps. */
import { bytes } from '../format.ts';
import type { Curve } from '../run/curve.ts';
import type { History } from '../run/history.ts';
import { chart, fourDigits } from './chart.ts';
import { metricTitle } from './headline.ts';
import { html, type Markup } from './markup.ts';

/** Points of a curve that a page holds at most: more than there are pixels, whatever the length of the run. */
export const pagePoints = 1000;

const share = (value: number) => `${Number((100 * value).toPrecision(3))} %`;

/** The quantities that have a chart, in its order. `prefix`: one line for each that begins so. */
export const quantities = [
  { title: 'Loss', prefix: 'loss ', show: fourDigits },
  { title: 'Precision', prefix: 'eval ap', show: fourDigits, bounds: [0, 1] as [number, number] },
  { title: 'Recall', prefix: 'eval ar', show: fourDigits, bounds: [0, 1] as [number, number] },
  { title: 'Learning rate', prefix: 'lr', show: fourDigits },
  {
    title: 'Time not spent computing',
    prefix: 'dataWait|overhead',
    show: share,
    linear: true,
  },
  { title: 'Pictures a second', prefix: 'imagesPerSecond', show: fourDigits },
  { title: 'Memory', prefix: 'memory ', show: bytes },
  { title: 'Gradient norm', prefix: 'gradientNorm', show: fourDigits },
] as const;

export type Quantity = (typeof quantities)[number];

/** Names of lines for people. */
const lineNames: Record<string, string> = {
  lr: 'learning rate',
  dataWait: 'waiting for data',
  overhead: 'outside of native code',
  imagesPerSecond: 'pictures a second',
  gradientNorm: 'gradient norm',
  'memory rss': 'resident memory',
};

export function curvesOf(history: History, { prefix }: Quantity): { name: string; curve: Curve }[] {
  const prefixes = prefix.split('|');
  const found = [...history.curves].filter(([name]) => prefixes.some((begin) => name.startsWith(begin)));
  // 'total' is what people look at; it comes first.
  const order = (name: string) => Number(!name.endsWith(' total'));
  return found
    .sort(([a], [b]) => order(a) - order(b))
    .map(([name, curve]) => ({ name: lineNames[name] ?? shortName(name), curve }));
}

function shortName(name: string): string {
  const rest = name.slice(name.indexOf(' ') + 1);
  return name.startsWith('eval ') ? metricTitle(rest) : rest;
}

export function curves(history: History): Markup {
  const charts = quantities.flatMap((quantity) => {
    const series = curvesOf(history, quantity).map(({ name, curve }) => ({
      name,
      points: curve.points(pagePoints),
    }));
    const y = 'bounds' in quantity ? quantity.bounds : undefined;
    const linear = y !== undefined || 'linear' in quantity;
    return chart({ title: quantity.title, series, show: quantity.show, linear, ...(y && { y }) }) ?? [];
  });
  if (charts.length === 0) return html`<p>No step has been told yet.</p>`;
  return html`<div class="grid-of-charts">${charts}</div>`;
}
