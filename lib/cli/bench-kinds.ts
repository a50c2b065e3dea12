/** The benchmarks of `bench`: each measures, and tells what it found for machines, for people and for --compare. */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateCoco } from '../bench/annotations.ts';
import { openDataBench } from '../bench/data.ts';
import { openPlanBench, type PlanPart, planParts } from '../bench/plan.ts';
import { type BenchReport, type Figure, figure } from '../bench/report.ts';
import { type Latency, measureSpeed, stripes } from '../bench/speed.ts';
import { median } from '../bench/statistics.ts';
import {
  distilledStepRecipe,
  openStepBench,
  serveSteps,
  serveTurns,
  standardStepRecipe,
} from '../bench/step.ts';
import { Detector } from '../detector.ts';
import { HdError } from '../error.ts';
import { native } from '../native.ts';
import { loadRecipe, type Recipe } from '../recipe/index.ts';
import { table } from '../report/tables.ts';
import { precisionOf } from '../trainer/digest.ts';
import { picturesIn } from './predict.ts';
import { type CommonOptions, wholeNumber } from './verb.ts';

export interface BenchOptions extends CommonOptions {
  what?: string | undefined;
  compare?: string[] | undefined;
  save?: string | undefined;
  config?: string | undefined;
  set: string[];
  steps: number;
  distill: boolean;
  serve: boolean;
  part?: string | undefined;
  candidates: number[];
  images?: number | undefined;
  detections: number;
  truths?: number | undefined;
  out?: string | undefined;
  weights?: string | undefined;
  data?: string[] | undefined;
  batch?: number | undefined;
  size?: number | undefined;
  threads?: number | undefined;
}

/** What one found. */
export interface Outcome {
  result: unknown;
  text: string;
  settings: BenchReport['settings'];
  figures: Figure[];
}

export const benches = {
  step: benchStep,
  speed: benchSpeed,
  data: benchData,
  index: benchIndex,
  plan: benchPlan,
  losses: benchLosses,
  eval: benchEval,
  nms: benchNms,
};

async function benchEval({ images = 5000, truths = 36000, detections, out }: BenchOptions): Promise<Outcome> {
  const settings = { images, truths, detections };
  for (const [option, value] of Object.entries(settings)) wholeNumber(option, value, 1, 1e8);
  const result = await native().benchEval({ ...settings, ...(out ? { out } : {}) });
  const seconds = Number(result.seconds);
  return {
    result,
    text: table(
      ['', 'pictures', 'truths', 'detections', 'seconds'],
      [['bbox evaluation', images, truths, detections, seconds.toFixed(3)]],
    ),
    settings,
    figures: [figure('bbox evaluation', 's', [seconds])],
  };
}

async function benchLosses(): Promise<Outcome> {
  const rows: Record<string, unknown>[] = [];
  // Four box sides of 22 400 anchors, and the 80 classes of as many.
  for (const shape of [
    { rows: 89_600, bins: 17 },
    { rows: 22_400, bins: 80 },
  ]) {
    for (const weighted of [1, 0.05]) rows.push(await native().benchDistillation({ ...shape, weighted }));
  }
  return rowsOutcome(rows, ({ rows: count, bins, weighted }) => `${count} × ${bins}, ${weighted} weighted`);
}

async function benchNms({ candidates }: BenchOptions): Promise<Outcome> {
  for (const count of candidates) wholeNumber('candidates', count, 1, 1e7);
  const rows: Record<string, unknown>[] = [];
  for (const voting of [false, true]) {
    for (const count of candidates)
      rows.push(await native().benchNms({ candidates: count, classes: 80, voting }));
  }
  return rowsOutcome(rows, (row) => `${row.suppression}, ${row.candidates} boxes`);
}

function rowsOutcome(
  rows: readonly Record<string, unknown>[],
  name: (row: Record<string, unknown>) => string,
): Outcome {
  return {
    result: rows,
    text: table(
      Object.keys(rows[0] ?? {}),
      rows.map((row) => Object.values(row) as (string | number)[]),
    ),
    settings: {},
    figures: rows.map((row) => figure(name(row), 'ms', [Number(row.milliseconds)])),
  };
}

async function benchPlan({ steps, serve, part = 'whole' }: BenchOptions): Promise<Outcome | null> {
  wholeNumber('steps', steps, 1, 1e6);
  const folder = mkdtempSync(join(tmpdir(), 'hdtrain-bench-'));
  try {
    const time = await openPlanBench(folder);
    if (serve) {
      await serveTurns(async () => ({ seconds: (await time(part as PlanPart, 3)).milliseconds / 1000 }));
      return null;
    }
    const rows = [];
    for (const each of planParts) rows.push(await time(each, steps));
    const peakMB = process.resourceUsage().maxRSS / 1024;
    return {
      result: { rows, peakMB },
      text: table(
        ['part', 'precision', 'ms'],
        rows.map(({ part: name, precision, milliseconds }) => [name, precision, milliseconds.toFixed(1)]),
      ),
      settings: { steps },
      figures: rows.map(({ part: name, samples }) => figure(name, 'ms', samples)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function benchStep(options: BenchOptions): Promise<Outcome | null> {
  wholeNumber('steps', options.steps, 1, 1e6);
  const folder = mkdtempSync(join(tmpdir(), 'hdtrain-bench-'));
  try {
    return await timeSteps(options, await stepRecipe(options, folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function stepRecipe({ config, set, distill }: BenchOptions, folder: string): Promise<Recipe> {
  if (config) return loadRecipe(config, { set }).recipe;
  return distill ? distilledStepRecipe(folder, set) : standardStepRecipe(set);
}

async function timeSteps(options: BenchOptions, recipe: Recipe): Promise<Outcome | null> {
  const start = performance.now();
  const steps = await openStepBench(recipe);
  if (options.serve) {
    await serveSteps(steps);
    steps.close();
    return null;
  }
  await steps.run();
  const coldStart = (performance.now() - start) / 1000;
  await steps.run();
  const before = await steps.profile();
  const samples: Awaited<ReturnType<typeof steps.run>>[] = [];
  for (let i = 0; i < options.steps; ++i) samples.push(await steps.run());
  const after = await steps.profile();
  const seconds = median(samples.map((sample) => sample.seconds));
  const sum = (pick: (sample: (typeof samples)[number]) => number) =>
    samples.reduce((total, sample) => total + pick(sample), 0);
  const total = sum((sample) => sample.seconds);
  const result = {
    seconds,
    imagesPerSecond: recipe.train.batch / seconds,
    coldStart,
    dataWait: sum((sample) => sample.waitSeconds) / total,
    outside: sum((sample) => sample.outsideSeconds) / total,
    peakMB: process.resourceUsage().maxRSS / 1024,
    profile: Object.fromEntries(
      Object.entries(after).map(([part, value]) => [part, (value - (before[part] ?? 0)) / samples.length]),
    ),
  };
  steps.close();
  const text = [
    `step ${(1000 * seconds).toFixed(0)} ms (median of ${samples.length}), ${result.imagesPerSecond.toFixed(2)} img/s; first step after ${coldStart.toFixed(2)} s`,
    `waiting for data ${(100 * result.dataWait).toFixed(1)} %, outside native code ${(100 * result.outside).toFixed(2)} %, peak memory ${result.peakMB.toFixed(0)} MB`,
    table(
      ['part', 'ms a step'],
      Object.entries(result.profile).map(([part, value]) => [part, `${(1000 * value).toFixed(1)}`]),
    ),
  ].join('\n');
  const { batch, threads } = recipe.train;
  const { detector, backbone } = recipe.model;
  return {
    result,
    text,
    settings: {
      detector,
      backbone,
      batch,
      threads,
      size: String(recipe.data.size),
      precision: precisionOf(recipe),
      teachers: recipe.teachers.length,
      steps: options.steps,
      ...(options.config !== undefined && { config: options.config }),
      ...(options.set.length > 0 && { set: options.set.join(' ') }),
    },
    figures: [
      figure(
        'step',
        'ms',
        samples.map((sample) => 1000 * sample.seconds),
      ),
      figure('first step', 's', [coldStart]),
      figure('peak memory', 'MB', [result.peakMB]),
      ...Object.entries(result.profile).map(([part, value]) => figure(part, 'ms', [1000 * value])),
    ],
  };
}

async function benchSpeed({
  weights,
  data,
  images,
  batch = 1,
  size,
  threads,
}: BenchOptions): Promise<Outcome> {
  if (weights === undefined)
    throw new HdError('HD_USAGE', 'expected --weights for bench speed: name student.safetensors of a run');
  if (data !== undefined && images !== undefined)
    throw new HdError('HD_USAGE', 'expected either --data or --images but received both: keep one');
  wholeNumber('batch', batch, 1, 16);
  wholeNumber('images', images ?? 200, 1, 1e6);
  if (size !== undefined) wholeNumber('size', size, 32, 8192);
  const detector = await Detector.load(weights, { ...(threads === undefined ? {} : { threads }) });
  try {
    if (size !== undefined) detector.recipe.data.size = size;
    const { size: sides } = detector.recipe.data;
    const dataset =
      data === undefined
        ? stripes(detector, images ?? 200)
        : await native().openDataset({
            format: 'files',
            files: data.flatMap(picturesIn),
            classes: detector.classes,
          });
    const speed = await measureSpeed(detector, dataset, batch);
    const row = (name: string, { mean, p50, p90, p99, imagesPerSecond }: Latency) => [
      name,
      ...[mean, p50, p90, p99].map((time) => time.toFixed(1)),
      imagesPerSecond.toFixed(1),
    ];
    const parts: [string, Latency][] = [
      ['network', speed.network],
      ['with post-processing', speed.withPostProcessing],
      ['with decoding', speed.withDecoding],
    ];
    return {
      result: { weights, size: sides, ...speed },
      text: [
        `${speed.images} pictures at ${sides}, batch ${batch}, ${speed.threads} threads; ms a call`,
        table(
          ['', 'mean', 'p50', 'p90', 'p99', 'img/s'],
          parts.map(([name, latency]) => row(name, latency)),
        ),
        ...(data === undefined
          ? [
              'of stripes in memory, on which little is found: post-processing has next to nothing to do; its time on pictures: --data FOLDER',
            ]
          : []),
      ].join('\n'),
      settings: { size: String(sides), batch, threads: speed.threads, pictures: speed.images },
      figures: parts.map(([name, { p25, p50, p75 }]) => ({
        ...figure(name, 'ms', [p50]),
        ...(speed.images / batch >= 20 && { low: p25, high: p75 }),
      })),
    };
  } finally {
    detector.close();
  }
}

async function benchData({
  data,
  size = 640,
  batch = 16,
  threads,
  serve,
  steps,
}: BenchOptions): Promise<Outcome | null> {
  if (data === undefined)
    throw new HdError('HD_USAGE', 'expected --data for bench data: name a folder of pictures');
  wholeNumber('size', size, 32, 8192);
  wholeNumber('batch', batch, 1, 1024);
  wholeNumber('steps', steps, 1, 1e6);
  if (threads !== undefined) wholeNumber('threads', threads, 1, 256);
  const files = data.flatMap(picturesIn);
  const bench = await openDataBench({ files, size, batch, ...(threads === undefined ? {} : { threads }) });
  try {
    await bench.run();
    if (serve) {
      await serveTurns(() => bench.run());
      return null;
    }
    const turns: Awaited<ReturnType<typeof bench.run>>[] = [];
    for (let i = 0; i < steps; ++i) turns.push(await bench.run());
    const rates = turns.map((turn) => turn.imagesPerSecond);
    const copiedBytes = turns.at(-1)?.copiedBytes ?? 0;
    const settings = { images: bench.images, size, batch, threads: threads ?? availableParallelism() };
    return {
      result: { ...settings, imagesPerSecond: median(rates), copiedBytes },
      text: `${bench.images} pictures at ${size}: ${median(rates).toFixed(0)} img/s (median of ${turns.length} passes), ${copiedBytes} bytes copied`,
      settings,
      figures: [figure('pictures', 'img/s', rates, 'higher')],
    };
  } finally {
    bench.close();
  }
}

async function benchIndex({ images = 118_000, truths = 860_000 }: BenchOptions): Promise<Outcome> {
  wholeNumber('images', images, 1, 1e7);
  wholeNumber('truths', truths, 1, 1e8);
  const folder = mkdtempSync(join(tmpdir(), 'hdtrain-bench-'));
  try {
    const { bytes, ...files } = generateCoco(folder, images, truths);
    const start = performance.now();
    const dataset = await native().openDataset({ format: 'coco', ...files });
    const seconds = (performance.now() - start) / 1000;
    const peakMB = process.resourceUsage().maxRSS / 1024;
    const settings = { images: dataset.length, truths, fileMB: Math.round(bytes / 1e6) };
    return {
      result: { ...settings, seconds, peakMB },
      text: `${images} pictures, ${truths} boxes, ${settings.fileMB} MB of JSON: ${seconds.toFixed(2)} s, peak memory of the process ${peakMB.toFixed(0)} MB`,
      settings,
      figures: [figure('index', 's', [seconds]), figure('peak memory', 'MB', [peakMB])],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
