/** Curves as SVG in the page's own colours: no script draws them, a table says the same, arrow keys read values off. */
import type { Point } from '../run/curve.ts';
import { html, json, type Markup, table } from './markup.ts';
import { type Scale, scaleOf, ticksOf } from './scale.ts';

export interface Chart {
  title: string;
  series: readonly { name: string; points: readonly Point[] }[];
  /** Default: step. */
  xTitle?: string;
  /** Bounds of the axes; without, those of the points. */
  x?: [number, number];
  y?: [number, number];
  /** Never a logarithmic axis; fixed bounds imply it. */
  linear?: boolean;
  /** How values are written; default four digits. */
  show?: (value: number) => string;
}

const size = { width: 640, height: 260 };
const margin = { left: 62, top: 10, right: 24, bottom: 40 };
/** Rows of a chart's table. */
const tableRows = 25;

export const fourDigits = (value: number): string => String(Number(value.toPrecision(4)));

/** Nothing when there is no point at all. */
export function chart({
  title,
  series: given,
  xTitle = 'step',
  x,
  y,
  linear = y !== undefined,
  show = fourDigits,
}: Chart): Markup | null {
  // A curve without points keeps its colour: charts of the same runs agree.
  const series = given
    .map((one, i) => ({ ...one, style: `series-${i % 8}` }))
    .filter(({ points }) => points.length > 0);
  if (series.length === 0) return null;
  const all = series.flatMap(({ points }) => points);
  const across = scaleOf(x ?? all.map((point) => point[0]), [margin.left, size.width - margin.right], false);
  const up = scaleOf(y ?? all.map((point) => point[1]), [size.height - margin.bottom, margin.top], !linear);
  const summary = series.map(({ name, points }) => {
    const [first, last] = [points[0] as Point, points.at(-1) as Point];
    return `${name} from ${show(first[1])} at ${xTitle} ${fourDigits(first[0])} to ${show(last[1])} at ${fourDigits(last[0])}`;
  });
  const data = {
    xTitle,
    series: series.map(({ name, points }) => ({
      name,
      points: points.map(([a, b]) => [a, show(b), round(across.place(a)), round(up.place(b))]),
    })),
  };
  return html`<figure class="chart"><figcaption>${title}${up.log && ' (logarithmic)'}</figcaption>
<ul class="legend">${series.map(({ name, style }) => html`<li class="${style}"><svg viewBox="0 0 28 10" aria-hidden="true"><path d="M0 5H28"/></svg>${name}</li>`)}</ul>
<div class="plot" tabindex="0" role="group" aria-label="${title}: arrow keys read values">
<svg viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${`${title}: ${summary.join('; ')}`}">
${axes(across, up, xTitle, show)}
${series.map(({ points, style }) => html`<path class="line ${style}" d="${path(points, across, up)}"/>${points.length === 1 && dot(points[0] as Point, across, up, style)}\n`)}
<path class="cursor" d=""/></svg><output aria-live="polite"></output>
<script type="application/json">${json(data)}</script></div>
<details><summary>${title} as a table</summary>${numbers({ title, series, xTitle, show })}</details></figure>`;
}

const round = (value: number) => Number(value.toFixed(1));

function path(points: readonly Point[], across: Scale, up: Scale): string {
  return points
    .map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${round(across.place(x))} ${round(up.place(y))}`)
    .join('');
}

/** A curve of one point is no line. */
function dot([x, y]: Point, across: Scale, up: Scale, style: string): Markup {
  return html`<circle class="${style}" cx="${round(across.place(x))}" cy="${round(up.place(y))}" r="3"/>`;
}

function axes(across: Scale, up: Scale, xTitle: string, show: (value: number) => string): Markup {
  const bottom = size.height - margin.bottom;
  return html`${ticksOf(up, 5).map((value) => {
    const y = round(up.place(value));
    return html`<path class="grid" d="M${margin.left} ${y}H${size.width - margin.right}"/><text x="${margin.left - 6}" y="${y + 4}" text-anchor="end">${show(value)}</text>\n`;
  })}${ticksOf(across, 6).map((value) => {
    const x = round(across.place(value));
    return html`<path class="grid" d="M${x} ${bottom}v5"/><text x="${x}" y="${bottom + 18}" text-anchor="middle">${fourDigits(value)}</text>\n`;
  })}<text x="${(margin.left + size.width - margin.right) / 2}" y="${size.height - 6}" text-anchor="middle">${xTitle}</text>`;
}

/** Values at evenly picked places, the first and the last among them; of each curve the point at or before. */
function numbers({ title, series, xTitle = 'step', show = fourDigits }: Chart): Markup {
  const places = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const rows = Math.min(tableRows, places.length);
  const picked = Array.from(
    { length: rows },
    (_, i) => places[rows === 1 ? 0 : Math.round((i * (places.length - 1)) / (rows - 1))] as number,
  );
  const at = (points: readonly Point[], x: number) => points.findLast((point) => point[0] <= x);
  return table(
    title,
    [{ title: xTitle, numeric: true }, ...series.map(({ name }) => ({ title: name, numeric: true }))],
    picked.map((x) => [
      fourDigits(x),
      ...series.map(({ points }) => {
        const point = at(points, x);
        return point ? show(point[1]) : '–';
      }),
    ]),
  );
}
