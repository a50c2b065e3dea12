/** Metrics by class and by the size of objects. */
import { count, metric, percent } from '../format.ts';
import type { Diagnosis } from '../run/diagnosis.ts';
import type { Evaluation } from '../run/history.ts';
import { metricTitle } from './headline.ts';
import { html, type Markup, table } from './markup.ts';

const classColumns = ['ap', 'ap50', 'ap75', 'ar'];

export function classTable(evaluation: Evaluation, diagnosis: Diagnosis | null): Markup {
  const { perClass, step } = evaluation;
  // A run may have ended between an evaluation and its diagnosis.
  const curves = diagnosis?.step === step ? diagnosis.curves : [];
  const best = new Map(curves.map((curve) => [curve.name, curve.best.score]));
  const threshold = (score = -1) => (score < 0 ? '–' : score.toFixed(2));
  const shown = classColumns.filter((name) => perClass.some(({ numbers }) => name in numbers));
  const number = (value: number | undefined) => (value === undefined ? '–' : count(value));
  return html`<p>Measured after step ${count(step)}. The weakest class is first; a dash stands where there was nothing to measure.</p>
${table(
  'Metrics by class',
  ['class', 'truths', 'detections', ...shown.map(metricTitle), ...(best.size > 0 ? ['best score'] : [])].map(
    (title, i) => ({ title, numeric: i > 0 }),
  ),
  [...perClass]
    .sort((a, b) => rank(a.numbers.ap) - rank(b.numbers.ap))
    .map(({ name, numbers }) => [
      name,
      number(numbers.truths),
      number(numbers.detections),
      ...shown.map((key) => metric(numbers[key])),
      ...(best.size > 0 ? [threshold(best.get(name))] : []),
    ]),
)}`;
}

/** What could not be measured comes last. */
const rank = (ap: number | undefined) => (ap === undefined || ap < 0 ? 2 : ap);

const sizes = ['Small', 'Medium', 'Large'];

/** Null when neither the metrics nor the diagnosis know sizes (Pascal VOC). */
export function sizeTables(evaluation: Evaluation | null, diagnosis: Diagnosis | null): Markup | null {
  const numbers = evaluation?.numbers ?? {};
  const known = sizes.some((size) => `ap${size}` in numbers);
  const found = diagnosis?.sizes ?? [];
  if (!known && found.length === 0) return null;
  return html`${known && html`<p>Small is below 32² pixels, large above 96².</p>`}${
    known &&
    table(
      'Metrics by size of the objects',
      [{ title: 'size' }, { title: 'AP', numeric: true }, { title: 'AR', numeric: true }],
      sizes.map((size) => [size.toLowerCase(), metric(numbers[`ap${size}`]), metric(numbers[`ar${size}`])]),
    )
  }${
    found.length > 0 &&
    table(
      `Objects found by size (score at least ${diagnosis?.score}, IoU at least ${diagnosis?.iou})`,
      ['size', 'truths', 'found', 'share'].map((title, i) => ({ title, numeric: i > 0 })),
      found.map((size) => [
        size.name,
        count(size.truths),
        count(size.found),
        size.truths > 0 ? percent(size.found / size.truths) : '–',
      ]),
    )
  }`;
}
