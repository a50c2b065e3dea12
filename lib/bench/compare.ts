/** Two reports of the same benchmark: what changed, and whether by more than the figures vary by themselves. */
import { table } from '../report/tables.ts';
import type { BenchReport, Figure } from './report.ts';

/** Changes below this share are noise whatever the samples say. */
const leastChange = 0.02;

export type Verdict = 'better' | 'worse' | 'noise' | 'gone' | 'new';

export interface Change {
  name: string;
  unit: string;
  before: number | null;
  after: number | null;
  /** after / before. */
  ratio: number | null;
  verdict: Verdict;
}

export interface Comparison {
  bench: string;
  changes: Change[];
  /** Why the figures may not be comparable. */
  differences: string[];
}

export function compareReports(before: BenchReport, after: BenchReport): Comparison {
  const old = new Map(before.figures.map((figure) => [figure.name, figure]));
  const now = new Set(after.figures.map(({ name }) => name));
  const changes = [
    ...after.figures.map((figure) => changeOf(old.get(figure.name), figure)),
    ...before.figures.filter(({ name }) => !now.has(name)).map((figure) => changeOf(figure, undefined)),
  ];
  const differences = [
    ...(before.bench === after.bench ? [] : [`bench: ${before.bench} → ${after.bench}`]),
    ...differing('machine', before.machine, after.machine),
    ...differing('setting', before.settings, after.settings),
  ];
  return { bench: after.bench, changes, differences };
}

function changeOf(before: Figure | undefined, after: Figure | undefined): Change {
  const { name, unit } = (after ?? before) as Figure;
  const [a, b] = [before?.value ?? null, after?.value ?? null];
  const ratio = a === null || b === null || a === 0 ? null : b / a;
  return { name, unit, before: a, after: b, ratio, verdict: verdictOf(before, after) };
}

/** Beyond noise are figures that differ by two per cent and more, and whose ranges do not meet. */
function verdictOf(before: Figure | undefined, after: Figure | undefined): Verdict {
  if (!before) return 'new';
  if (!after) return 'gone';
  const apart = before.high < after.low || after.high < before.low;
  const change = Math.abs(after.value - before.value) / Math.max(Math.abs(before.value), Number.MIN_VALUE);
  if (!apart || !(change >= leastChange)) return 'noise';
  return after.value < before.value === (after.better === 'lower') ? 'better' : 'worse';
}

function differing(what: string, before: object, after: object): string[] {
  const [a, b] = [before, after] as Record<string, unknown>[];
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((key) => a?.[key] !== b?.[key])
    .map((key) => `${what} ${key}: ${a?.[key] ?? 'none'} → ${b?.[key] ?? 'none'}`);
}

/** For people. */
export function comparisonText({ bench, changes, differences }: Comparison): string {
  const show = (value: number | null) => (value === null ? '–' : shown(value));
  const beyond = changes.filter(({ verdict }) => verdict === 'better' || verdict === 'worse').length;
  return [
    table(
      [bench, 'unit', 'before', 'after', 'ratio', ''],
      changes.map(({ name, unit, before, after, ratio, verdict }) => [
        name,
        unit,
        show(before),
        show(after),
        ratio === null ? '–' : ratio.toFixed(3),
        verdict === 'noise' ? '' : verdict,
      ]),
    ),
    beyond === 0 ? 'nothing changed beyond noise' : `${beyond} of ${changes.length} beyond noise`,
    ...differences,
  ].join('\n');
}

/** Four digits of any number. */
function shown(value: number): string {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
}
