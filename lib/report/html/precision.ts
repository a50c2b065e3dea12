/** Precision over recall, F1 over the score threshold, and which threshold is best. */
import { bestScore } from '../diagnosis.ts';
import { count, metric } from '../format.ts';
import type { Diagnosis } from '../run/diagnosis.ts';
import { chart } from './chart.ts';
import { html, type Markup, table } from './markup.ts';

/** Curves in one chart; a reader tells no more apart. */
const mostCurves = 8;

type ClassCurve = Diagnosis['curves'][number];

export function precisionCurves({ curves, mean, iou }: Diagnosis): Markup {
  const known = curves.filter(
    ({ precision }) => precision.length > 0 && precision.every((value) => value >= 0),
  );
  if (known.length === 0) return html`<p>No class has truths.</p>`;
  const area = ({ precision }: ClassCurve) => precision.reduce((a, b) => a + b, 0) / precision.length;
  const ranked = [...known].sort((a, b) => area(a) - area(b));
  const few = ranked.length <= mostCurves - 1 ? known : [...ranked.slice(0, 4), ...ranked.slice(-3)];
  const meanPrecision = (known[0]?.precision ?? []).map(
    (_, i) => known.reduce((sum, { precision }) => sum + (precision[i] ?? 0), 0) / known.length,
  );
  // The same classes in the same order: a class has one colour in both charts.
  const drawn = (
    title: string,
    xTitle: string,
    all: readonly number[],
    of: (curve: ClassCurve) => readonly number[],
  ) =>
    chart({
      title,
      xTitle,
      x: [0, 1],
      y: [0, 1],
      series: [
        ...(known.length > 1 ? [{ name: 'mean of all classes', points: points(all) }] : []),
        ...few.map((curve) => ({ name: curve.name, points: points(of(curve)) })),
      ],
      show: (value) => value.toFixed(3),
    });
  const best = bestScore({ curves: known, mean });
  return html`<div class="grid-of-charts">${drawn(`Precision over recall at IoU ${iou}`, 'recall', meanPrecision, ({ precision }) => precision)}
${drawn(`F1 over the score threshold at IoU ${iou}`, 'score', mean.byScore.f1, ({ byScore }) => byScore.f1)}</div>
${few.length < known.length && html`<p>Of ${count(known.length)} classes the four weakest and the three strongest are drawn.</p>`}
<p>F1 is the harmonic mean of precision and recall of the detections that reach a score. Where it is highest is a good threshold for <code>predict --score</code>${best === '' ? '.' : `: ${best}.`}</p>
${table(
  'Best score threshold by class',
  ['class', 'best score', 'F1', 'precision', 'recall'].map((title, i) => ({ title, numeric: i > 0 })),
  [...(known.length > 1 ? [{ name: 'all classes, in the mean', best: mean.best }] : []), ...known].map(
    ({ name, best: { score, f1, precision, recall } }) => [
      name,
      score < 0 ? '–' : score.toFixed(2),
      ...[f1, precision, recall].map(metric),
    ],
  ),
)}`;
}

/** Values at evenly spaced places from 0 to 1. */
const points = (values: readonly number[]) =>
  values.map((value, i) => [i / Math.max(1, values.length - 1), value] as const);
