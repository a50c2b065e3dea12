/** Where the detector goes wrong: what is taken for what, kinds of errors. */
import { count, metric, percent } from '../format.ts';
import type { Diagnosis } from '../run/diagnosis.ts';
import { type Content, html, type Markup, table } from './markup.ts';

/** Classes of the matrix; the rest is in the list of confusions. */
const mostClasses = 24;
const mostConfusions = 20;

export function confusion({ confusion: cells, classes, score, iou }: Diagnosis): Markup {
  const background = classes.length;
  const nameOf = (i: number) => (i === background ? 'background' : (classes[i] ?? ''));
  const cell = (row: number, column: number) => cells[row]?.[column] ?? 0;
  const wrong = cells
    .flatMap((row, r) => row.map((times, c) => ({ r, c, times })))
    .filter(({ r, c, times }) => r !== c && times > 0)
    .sort((a, b) => b.times - a.times);
  const muddled = (k: number) =>
    wrong.reduce((sum, { r, c, times }) => sum + (r === k || c === k ? times : 0), 0);
  const all = [...classes.keys()];
  const shown =
    all.length <= mostClasses ? all : [...all].sort((a, b) => muddled(b) - muddled(a)).slice(0, mostClasses);
  const places = [...shown.sort((a, b) => a - b), background];
  const heat = (row: number, column: number): Content => {
    const sum = (cells[row] ?? []).reduce((a, b) => a + b, 0);
    const times = cell(row, column);
    if (times === 0) return html`<span class="quiet">0</span>`;
    return html`<span class="heat" style="--share:${(times / sum).toFixed(2)}">${count(times)}</span>`;
  };
  return html`<p>Detections of score ${score} and more, matched at IoU ${iou}. A row is what is there, a column what was predicted; darker is a larger share of the row. In the last column are objects that were missed, in the last row detections where nothing is.</p>
${shown.length < all.length && html`<p>Of ${count(all.length)} classes the ${count(shown.length)} that are confused most are shown.</p>`}
${table(
  'Confusion matrix',
  [{ title: 'truth \\ predicted' }, ...places.map((c) => ({ title: nameOf(c), numeric: true }))],
  places.map((r) => [nameOf(r), ...places.map((c) => heat(r, c))]),
)}
${
  wrong.length > 0 &&
  table(
    'Most frequent confusions',
    [{ title: 'truth' }, { title: 'predicted' }, { title: 'times', numeric: true }],
    wrong.slice(0, mostConfusions).map(({ r, c, times }) => [nameOf(r), nameOf(c), count(times)]),
  )
}`;
}

const meanings: Record<keyof Diagnosis['errors'], string> = {
  classification: 'the box is right, the class is not',
  localization: 'the class is right, the box lies too far off',
  both: 'wrong class, and the box lies too far off',
  duplicate: 'the object was already found by a better detection',
  background: 'there is nothing',
  missed: 'an object that was not found',
};

/** The dearest first. */
export function errorKinds({ errors, costs, iou }: Diagnosis): Markup {
  const total = Object.values(errors).reduce((a, b) => a + b, 0);
  const kinds = Object.keys(meanings) as (keyof Diagnosis['errors'])[];
  kinds.sort((a, b) => (costs ? costs[b] - costs[a] : 0) || errors[b] - errors[a]);
  return table(
    'Kinds of errors',
    [
      { title: 'kind' },
      { title: 'what it means' },
      ...(costs ? [{ title: `AP${Math.round(100 * iou)} lost`, numeric: true }] : []),
      { title: 'number', numeric: true },
      { title: 'share of the errors' },
    ],
    kinds.map((kind) => {
      const share = total > 0 ? errors[kind] / total : 0;
      const bar = html`<span class="bar" style="--share:${share.toFixed(3)}"></span> ${percent(share)}`;
      return [kind, meanings[kind], ...(costs ? [metric(costs[kind])] : []), count(errors[kind]), bar];
    }),
  );
}
