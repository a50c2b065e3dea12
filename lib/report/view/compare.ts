/** Several runs side by side: final metrics, curves over one another, and where their recipes differ. */
import { clock, count, metric } from '../format.ts';
import { chart } from '../html/chart.ts';
import { curvesOf, pagePoints, quantities } from '../html/curves.ts';
import { metricTitle, stateOf } from '../html/headline.ts';
import { type Content, html, type Markup, table } from '../html/markup.ts';
import type { Section } from '../html/page.ts';
import type { RunReader } from '../run/run-reader.ts';

/** A run with the name that tells it from the others, and its page. */
export interface NamedRun {
  name: string;
  address: string;
  run: RunReader;
}

export function compareSections(runs: readonly NamedRun[]): Section[] {
  const differing = differingFields(runs);
  return [
    { id: 'metrics', title: 'Metrics', body: metrics(runs) },
    { id: 'curves', title: 'Curves', body: overlaid(runs) },
    { id: 'recipes', title: 'Differences of the recipes', body: differing },
  ];
}

const metricColumns = ['ap', 'ap50', 'ap75', 'apSmall', 'apMedium', 'apLarge', 'ar100'];

function metrics(runs: readonly NamedRun[]): Markup {
  const best = (run: RunReader) => run.history.bestEvaluation;
  const shown = metricColumns.filter((name) => runs.some(({ run }) => name in (best(run)?.numbers ?? {})));
  const highest = (name: string) => Math.max(...runs.map(({ run }) => best(run)?.numbers[name] ?? -1));
  const cell = (value: number | undefined, top: number): Content =>
    value !== undefined && value >= 0 && value === top
      ? html`<strong>${metric(value)}</strong>`
      : metric(value);
  return html`<p>Of the best evaluation of each run; the highest number of a column is bold.</p>${table(
    'Metrics of the runs',
    ['run', 'state', 'steps', 'elapsed', 'best at step', ...shown.map(metricTitle)].map((title, i) => ({
      title,
      numeric: i > 1,
    })),
    runs.map(({ name, address, run }) => [
      html`<a href="${address}">${name}</a>`,
      run.trouble !== '' ? `cannot be read: ${run.trouble}` : run.status ? stateOf(run.status) : '–',
      count(Math.max(run.status?.step ?? 0, run.history.lastStep?.step ?? 0)),
      run.status ? clock(run.status.elapsed) : '–',
      count(best(run)?.step ?? 0),
      ...shown.map((key) => cell(best(run)?.numbers[key], highest(key))),
    ]),
  )}`;
}

/** One chart for each curve that at least one run has; the same colour is the same run in all of them. */
function overlaid(runs: readonly NamedRun[]): Markup {
  const perCurve = Math.max(200, Math.floor(pagePoints / Math.sqrt(runs.length)));
  const charts = quantities.flatMap((quantity) => {
    const found = runs.map(({ run }) => curvesOf(run.history, quantity));
    const lines = [...new Set(found.flatMap((curves) => curves.map(({ name }) => name)))];
    return lines.flatMap((line) => {
      const series = runs.map(({ name }, i) => ({
        name,
        points: found[i]?.find((curve) => curve.name === line)?.curve.points(perCurve) ?? [],
      }));
      const plain = line.toLowerCase() === quantity.title.toLowerCase();
      return (
        chart({
          title: plain ? quantity.title : `${quantity.title}: ${line}`,
          series,
          show: quantity.show,
          linear: 'linear' in quantity,
          ...('bounds' in quantity && { y: quantity.bounds }),
        }) ?? []
      );
    });
  });
  return charts.length === 0
    ? html`<p>No step has been told yet.</p>`
    : html`<div class="grid-of-charts">${charts}</div>`;
}

/** The fields in which the runs differ from each other. */
function differingFields(runs: readonly NamedRun[]): Markup {
  const recipes = runs.map(({ run }) => run.fields);
  const fields = [...new Set(recipes.flatMap((recipe) => [...recipe.keys()]))].filter(
    (field) => new Set(recipes.map((recipe) => recipe.get(field) ?? '')).size > 1,
  );
  if (fields.length === 0) return html`<p>The recipes do not differ.</p>`;
  return table(
    'Fields that differ',
    [{ title: 'field' }, ...runs.map(({ name }) => ({ title: name }))],
    fields.map((field) => [field, ...recipes.map((recipe) => recipe.get(field) ?? '–')]),
  );
}
