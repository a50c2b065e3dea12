/** Where a detector goes wrong, as tables for a terminal. */
import type { Diagnosis, ErrorKind, ScoreCurve } from '../native.ts';
import { metric } from './format.ts';
import { table } from './tables.ts';

const meanings: Record<ErrorKind, string> = {
  classification: 'good box, wrong class',
  localization: 'right class, box too far off',
  both: 'wrong class, box too far off',
  duplicate: 'found a second time',
  background: 'nothing is there',
  missed: 'not found',
};

/** The kinds of errors, dearest first; kinds of equal cost by their number. */
export function errorTable({ errors, costs, iou }: Diagnosis): string {
  const kinds = Object.keys(meanings) as ErrorKind[];
  kinds.sort((a, b) => costs[b] - costs[a] || errors[b] - errors[a]);
  return table(
    ['errors', '', 'number', `AP${Math.round(100 * iou)} lost`],
    kinds.map((kind) => [kind, meanings[kind], errors[kind], costs[kind]]),
  );
}

export interface ConfusedPair {
  truth: string;
  taken: string;
  times: number;
}

/** Classes that are taken for others, most frequent first, `count` at most; equals in the order of the classes. */
export function worstConfusions(
  { confusion }: Diagnosis,
  classes: readonly string[],
  count: number,
): ConfusedPair[] {
  const pairs = classes.flatMap((truth, row) =>
    classes.map((taken, column) => ({
      truth,
      taken,
      times: row === column ? 0 : (confusion[row]?.[column] ?? 0),
    })),
  );
  return pairs
    .filter(({ times }) => times > 0)
    .sort((a, b) => b.times - a.times)
    .slice(0, count);
}

/** '' when no class is taken for another. */
export function confusionTable(diagnosis: Diagnosis, classes: readonly string[], count = 5): string {
  const worst = worstConfusions(diagnosis, classes, count);
  if (worst.length === 0) return '';
  return table(
    ['class', 'taken for', 'times'],
    worst.map(({ truth, taken, times }) => [truth, taken, times]),
  );
}

export function sizeTable({ sizes }: Diagnosis): string {
  return table(
    ['size', 'truths', 'found'],
    sizes.map(({ name, truths, found }) => [name, truths, found]),
  );
}

/** The score threshold for all classes together, in a sentence without its full stop; '' when nothing is found. */
export function bestScore({ curves, mean }: { curves: readonly unknown[]; mean: ScoreCurve }): string {
  const { score, f1, precision, recall } = mean.best;
  if (score < 0) return '';
  const whose = curves.length > 1 ? 'F1 in the mean of the classes' : 'F1';
  return `at a score of ${score.toFixed(2)} ${whose} is highest, ${metric(f1)} (precision ${metric(precision)}, recall ${metric(recall)})`;
}
