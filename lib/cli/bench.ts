import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Argv } from 'yargs';
import { generateCoco } from '../bench/annotations.ts';
import { openDataBench } from '../bench/data.ts';
import { type Latency, measureSpeed, stripes } from '../bench/speed.ts';
import {
  distilledStepRecipe,
  median,
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
  detections: number;
  truths?: number | undefined;
  out?: string | undefined;
  weights?: string | undefined;
  data?: string[] | undefined;
  batch?: number | undefined;
  size?: number | undefined;
  threads?: number | undefined;
}

export const bench: Verb<BenchOptions> = {
  command: 'bench <what>',
  describe:
    'Time the training step, a trained model, the loader, the index of annotations, fused losses, the evaluator or suppression on this machine',
  builder: (argv) =>
    (argv as Argv<CommonOptions>)
      .positional('what', {
        type: 'string',
        choices: ['step', 'speed', 'data', 'index', 'losses', 'eval', 'nms'],
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
      .option('candidates', {
        type: 'number',
        array: true,
        default: [1000, 5000, 10000],
        describe: 'nms: boxes',
      })
      .option('images', {
        type: 'number',
        describe: 'eval: pictures (5000); speed: pictures in memory (200); index: pictures (118000)',
      })
      .option('truths', { type: 'number', describe: 'eval: true boxes (36000); index: boxes (860000)' })
      .option('detections', { type: 'number', default: 500000, describe: 'eval: detections' })
      .option('out', {
        type: 'string',
        describe: 'eval: folder for the generated set as COCO files, for other tools',
      })
      .option('weights', { type: 'string', describe: 'speed: student.safetensors of a run' })
      .option('data', {
        type: 'string',
        array: true,
        nargs: 1,
        describe: 'data, speed: folder of pictures (repeatable); speed takes stripes in memory without',
      })
      .option('batch', {
        type: 'number',
        describe: 'speed: pictures a call (1); data: pictures a batch (16)',
      })
      .option('size', {
        type: 'number',
        describe: 'speed: input size (default: that of the weights); data: longest side (640)',
      })
      .option('threads', { type: 'number', describe: 'speed, data: threads (default: all cores)' }),
  handler: async (options) => {
    if (options.what === 'step') return benchStep(options);
    if (options.what === 'speed') return benchSpeed(options);
    if (options.what === 'data') return benchData(options);
    if (options.what === 'index') return benchIndex(options);
    if (options.what === 'eval') {
      const { images = 5000, truths = 36000, detections, out } = options;
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

async function benchSpeed({
  weights,
  data,
  images,
  batch = 1,
  size,
  threads,
  json,
}: BenchOptions): Promise<void> {
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
    print(json, { weights, size: sides, ...speed }, () =>
      [
        `${speed.images} pictures at ${sides}, batch ${batch}, ${speed.threads} threads; ms a call`,
        table(
          ['', 'mean', 'p50', 'p90', 'p99', 'img/s'],
          [
            row('network', speed.network),
            row('with post-processing', speed.withPostProcessing),
            row('with decoding', speed.withDecoding),
          ],
        ),
      ].join('\n'),
    );
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
  json,
}: BenchOptions): Promise<void> {
  if (data === undefined)
    throw new HdError('HD_USAGE', 'expected --data for bench data: name a folder of pictures');
  wholeNumber('size', size, 32, 8192);
  wholeNumber('batch', batch, 1, 1024);
  if (threads !== undefined) wholeNumber('threads', threads, 1, 256);
  const files = data.flatMap(picturesIn);
  const bench = await openDataBench({ files, size, batch, ...(threads === undefined ? {} : { threads }) });
  try {
    await bench.run();
    if (serve) return await serveTurns(() => bench.run());
    const turns: Awaited<ReturnType<typeof bench.run>>[] = [];
    for (let i = 0; i < wholeNumber('steps', steps, 1, 1e6); ++i) turns.push(await bench.run());
    const imagesPerSecond = median(turns.map((turn) => turn.imagesPerSecond));
    const copiedBytes = turns.at(-1)?.copiedBytes ?? 0;
    print(
      json,
      { images: bench.images, size, batch, imagesPerSecond, copiedBytes },
      () =>
        `${bench.images} pictures at ${size}: ${imagesPerSecond.toFixed(0)} img/s (median of ${turns.length} passes), ${copiedBytes} bytes copied`,
    );
  } finally {
    bench.close();
  }
}

async function benchIndex({ images = 118_000, truths = 860_000, json }: BenchOptions): Promise<void> {
  wholeNumber('images', images, 1, 1e7);
  wholeNumber('truths', truths, 1, 1e8);
  const folder = mkdtempSync(join(tmpdir(), 'hdtrain-bench-'));
  try {
    const { bytes, ...files } = generateCoco(folder, images, truths);
    const start = performance.now();
    const dataset = await native().openDataset({ format: 'coco', ...files });
    const seconds = (performance.now() - start) / 1000;
    const peakMB = process.resourceUsage().maxRSS / 1024;
    const result = { images: dataset.length, truths, fileMB: bytes / 1e6, seconds, peakMB };
    print(
      json,
      result,
      () =>
        `${images} pictures, ${truths} boxes, ${result.fileMB.toFixed(0)} MB of JSON: ${seconds.toFixed(2)} s, peak memory of the process ${peakMB.toFixed(0)} MB`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
