import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Argv } from 'yargs';
import { benchSpeed, type Latency } from '../bench/speed.ts';
import { distilledStepRecipe, median, openStepBench, serveSteps, standardStepRecipe } from '../bench/step.ts';
import { HdError } from '../error.ts';
import { native } from '../native.ts';
import { loadRecipe, type Recipe } from '../recipe/index.ts';
import { table } from '../report/tables.ts';
import { picturesIn } from './predict.ts';
import { type CommonOptions, print, type Verb, wholeNumber } from './verb.ts';

interface BenchOptions extends CommonOptions {
  what: string;
  config?: string | undefined;
  set: string[];
  steps: number;
  distill: boolean;
  serve: boolean;
  candidates: number[];
  images?: number | undefined;
  weights?: string | undefined;
  data?: string | undefined;
  batch: number;
  threads?: number | undefined;
  detections: number;
  truths: number;
  out?: string | undefined;
}

export const bench: Verb<BenchOptions> = {
  command: 'bench <what>',
  describe:
    'Time the training step, a trained model, fused losses, the evaluator or suppression on this machine',
  builder: (argv) =>
    (argv as Argv<CommonOptions>)
      .positional('what', {
        type: 'string',
        choices: ['step', 'speed', 'losses', 'eval', 'nms'],
        demandOption: true,
        describe: 'What to time',
      })
      .option('config', {
        type: 'string',
        describe: 'step: recipe (default: GFL-R18, 320², batch 4, 80 classes)',
      })
      .option('set', {
        type: 'string',
        array: true,
        nargs: 1,
        default: [] as string[],
        describe: 'step: override one field of the recipe',
      })
      .option('steps', { type: 'number', default: 10, describe: 'step: timed steps, after two that warm up' })
      .option('distill', {
        type: 'boolean',
        default: false,
        describe: 'step: the default recipe under a GFL-R50 teacher with LD and KD',
      })
      .option('serve', {
        type: 'boolean',
        default: false,
        hidden: true,
        describe: 'step: one step per line of stdin',
      })
      .option('weights', { type: 'string', describe: 'speed: the trained model' })
      .option('data', { type: 'string', describe: 'speed: folder of pictures (default: stripes in memory)' })
      .option('batch', { type: 'number', default: 1, describe: 'speed: pictures at a time' })
      .option('threads', { type: 'number', describe: 'speed: compute threads (default: all cores)' })
      .option('candidates', {
        type: 'number',
        array: true,
        default: [1000, 5000, 10000],
        describe: 'nms: boxes',
      })
      .option('images', { type: 'number', describe: 'eval: pictures (5000); speed: timed pictures (200)' })
      .option('truths', { type: 'number', default: 36000, describe: 'eval: true boxes' })
      .option('detections', { type: 'number', default: 500000, describe: 'eval: detections' })
      .option('out', {
        type: 'string',
        describe: 'eval: folder for the generated set as COCO files, for other tools',
      }),
  handler: async (options) => {
    if (options.what === 'step') return benchStep(options);
    if (options.what === 'speed') return benchModel(options);
    if (options.what === 'eval') {
      const { images = 5000, truths, detections, out } = options;
      for (const [option, value] of Object.entries({ images, truths, detections }))
        wholeNumber(option, value, 1, 1e8);
      const result = await native().benchEval({ images, truths, detections, ...(out ? { out } : {}) });
      return print(
        options.json,
        result,
        () =>
          `bbox evaluation of ${detections} detections on ${truths} truths in ${images} pictures: ${Number(result.seconds).toFixed(3)} s`,
      );
    }
    for (const candidates of options.candidates) wholeNumber('candidates', candidates, 1, 1e7);
    const results: Record<string, unknown>[] = [];
    if (options.what === 'losses') {
      for (const weighted of [1, 0.05]) results.push(await native().benchDistillation({ weighted }));
      return print(options.json, results, () => rowsTable(results));
    }
    for (const voting of [false, true]) {
      for (const candidates of options.candidates)
        results.push(await native().benchNms({ candidates, classes: 80, voting }));
    }
    print(options.json, results, () => rowsTable(results));
  },
};

function rowsTable(rows: readonly Record<string, unknown>[]): string {
  return table(
    Object.keys(rows[0] ?? {}),
    rows.map((row) => Object.values(row) as (string | number)[]),
  );
}

async function benchStep(options: BenchOptions): Promise<void> {
  wholeNumber('steps', options.steps, 1, 1e6);
  const folder = mkdtempSync(join(tmpdir(), 'hdtrain-bench-'));
  try {
    await timeSteps(options, await stepRecipe(options, folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function stepRecipe({ config, set, distill }: BenchOptions, folder: string): Promise<Recipe> {
  if (config) return loadRecipe(config, { set }).recipe;
  return distill ? distilledStepRecipe(folder) : standardStepRecipe();
}

async function timeSteps(options: BenchOptions, recipe: Recipe): Promise<void> {
  const start = performance.now();
  const steps = await openStepBench(recipe);
  if (options.serve) {
    await serveSteps(steps);
    return steps.close();
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
  print(options.json, result, () =>
    [
      `step ${(1000 * seconds).toFixed(0)} ms (median of ${samples.length}), ${result.imagesPerSecond.toFixed(2)} img/s; first step after ${coldStart.toFixed(2)} s`,
      `waiting for data ${(100 * result.dataWait).toFixed(1)} %, outside native code ${(100 * result.outside).toFixed(2)} %, peak memory ${result.peakMB.toFixed(0)} MB`,
      table(
        ['part', 'ms a step'],
        Object.entries(result.profile).map(([part, value]) => [part, `${(1000 * value).toFixed(1)}`]),
      ),
    ].join('\n'),
  );
}

async function benchModel({
  weights,
  data,
  images = 200,
  batch,
  threads,
  json,
}: BenchOptions): Promise<void> {
  if (!weights) throw new HdError('HD_USAGE', 'expected a trained model for --weights but received none');
  wholeNumber('images', images, 1, 2000);
  wholeNumber('batch', batch, 1, 64);
  const result = await benchSpeed({
    weights,
    ...(data && { files: picturesIn(data) }),
    images,
    batch,
    threads,
  });
  print(json, result, () => {
    const milliseconds = (seconds: number) => (1000 * seconds).toFixed(1);
    const row = (name: string, latency: Latency, fps: number) => [
      name,
      fps.toFixed(1),
      ...[latency.mean, latency.p50, latency.p90, latency.p99].map(milliseconds),
    ];
    return [
      table(
        ['what', 'pictures/s', 'mean ms', 'p50', 'p90', 'p99'],
        [
          row('network', result.network, result.fps.network),
          row('with detections', result.detection, result.fps.detection),
          row(data ? 'with decoding' : 'with the loader', result.whole, result.fps.whole),
        ],
      ),
      `${result.images} pictures, ${result.batch} at a time, ${result.threads} threads, canvases ${result.canvases.map(([h, w]) => `${w}×${h}`).join(', ')}`,
      ...(data ? [] : ['stripes in memory have few detections: --data FOLDER times real pictures']),
    ].join('\n');
  });
}
