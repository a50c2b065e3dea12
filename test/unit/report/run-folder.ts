/** Run folders as training writes them, without a training. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Diagnosis } from '../../../lib/report/run/diagnosis.ts';
import type { RunStatus } from '../../../lib/report/run/status.ts';
import { writePng } from '../cli/files.ts';

/** A name that breaks out of whatever does not escape it. */
export const hostile = `</script><img src=x onerror="document.title='broken'">'"&`;

export function stepLine(step: number, total: number, more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    type: 'step',
    step,
    epoch: Math.floor(step / 100),
    lr: 0.01 / step,
    losses: { box: total / 2, total },
    gradientNorm: 1,
    positives: 9,
    imagesPerSecond: 12.5,
    dataWait: 0.25,
    overhead: 0.01,
    memory: { rss: 1.5 * 2 ** 30 },
    eta: 600,
    ...more,
  });
}

export function evalLine(step: number, ap: number, best = true, classes = ['cat', 'dog']): string {
  const numbers = { ap, ap50: ap + 0.1, ap75: ap - 0.1, apSmall: -1, apMedium: ap, apLarge: ap, ar100: ap };
  const perClass = classes.map((name, i) => ({
    name,
    id: i,
    ap: i === 0 ? -1 : ap / i,
    ap50: ap,
    ap75: 0,
    ar: ap,
    truths: 10 * i,
    detections: 20 * i,
  }));
  return JSON.stringify({
    type: 'eval',
    step,
    epoch: 0,
    eval: { ...numbers, perClass },
    seconds: 1,
    best,
  });
}

export function statusOf(more: Partial<RunStatus> = {}): RunStatus {
  return {
    format: 1,
    recipe: 'cells',
    state: 'running',
    note: '',
    step: 300,
    totalSteps: 1200,
    stepsPerEpoch: 100,
    elapsed: 185,
    written: '2026-01-02T03:04:05.678Z',
    best: 'ap',
    trainImages: 1234,
    valImages: 56,
    classes: 2,
    parameters: 11_290_893,
    precision: 'fp32',
    threads: 2,
    fromDefaults: [{ field: 'train.lr', before: '0.01', after: '0.02' }],
    sinceStart: [],
    ...more,
  };
}

const harmonic = (a: number, b: number) => (a > 0 && b > 0 ? (2 * a * b) / (a + b) : 0);

export function diagnosisOf(classes = ['cat', 'dog'], step = 300): Diagnosis {
  const places = Array.from({ length: 101 }, (_, i) => i / 100);
  const size = classes.length + 1;
  // F1 is highest at 0.4, and lower for each further class.
  const scoreCurve = (weight: number) => {
    const recall = places.map((score) => weight * Math.max(0, Math.min(1, 2 * (0.9 - score))));
    const precision = places.map((score) => (score < 0.9 ? Math.min(1, 0.6 + score) : -1));
    const f1 = places.map((_, i) => harmonic(precision[i] ?? 0, recall[i] ?? 0));
    const best = { score: 0.4, precision: 1, recall: weight, f1: harmonic(1, weight) };
    return { byScore: { precision, recall, f1 }, best };
  };
  return {
    step,
    classes,
    iou: 0.5,
    score: 0.3,
    curves: classes.map((name, c) => ({
      name,
      precision: places.map((recall) => Math.max(0, 1 - recall * (1 + c / 4))),
      scores: places.map((recall) => 1 - recall),
      ...scoreCurve(0.9 / (1 + c / 4)),
    })),
    mean: scoreCurve(0.8),
    confusion: Array.from({ length: size }, (_, r) =>
      Array.from({ length: size }, (_, c) => (r === c ? (r === size - 1 ? 0 : 40) : (r * 3 + c) % 5)),
    ),
    errors: { classification: 3, localization: 5, both: 1, duplicate: 2, background: 7, missed: 2 },
    costs: { classification: 0.02, localization: 0.1, both: 0, duplicate: 0, background: 0.05, missed: 0.03 },
    sizes: [
      { name: 'small', truths: 20, found: 5 },
      { name: 'large', truths: 0, found: 0 },
    ],
  };
}

export interface RunFiles {
  lines?: string[];
  status?: RunStatus | null;
  diagnosis?: Diagnosis | null;
  recipe?: string;
  /** Steps that have pictures. */
  pictures?: number[];
}

/** Writes the folder; what is not given is a run of three evaluations and two classes. */
export function writeRun(folder: string, files: RunFiles = {}): string {
  const steps = Array.from({ length: 30 }, (_, i) => stepLine(10 * (i + 1), 3 / (i + 1)));
  const {
    lines = [...steps, evalLine(100, 0.3), evalLine(200, 0.5), evalLine(300, 0.4, false)],
    status = statusOf(),
    diagnosis = diagnosisOf(),
    recipe = 'train:\n  lr: 0.02\n',
    pictures = [100, 200],
  } = files;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'metrics.jsonl'), lines.map((line) => `${line}\n`).join(''));
  if (status) writeFileSync(join(folder, 'status.json'), JSON.stringify(status));
  if (diagnosis) writeFileSync(join(folder, 'diagnosis.json'), JSON.stringify(diagnosis));
  writeFileSync(join(folder, 'recipe.yaml'), recipe);
  for (const step of pictures) {
    for (const name of ['000-a', '001-b'])
      writePng(join(folder, 'pictures', `step-${step}`, `${name}.png`), 48, 32, step);
  }
  return folder;
}
