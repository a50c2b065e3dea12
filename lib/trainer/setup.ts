/** From a resolved recipe to what the native side takes: data set specs, loader and session options. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { HdError } from '../error.ts';
import { type NativeDataset, type NativeLoader, native, type SessionOptions } from '../native.ts';
import { joiningSteps } from '../recipe/schema/augment.ts';
import type { Recipe } from '../recipe/schema/root.ts';
import { cacheFolder } from './cache-folder.ts';
import { precisionOf, threadsOf } from './digest.ts';
import type { FetchEvent } from './events.ts';
import { decodeFaults } from './faults.ts';
import { localShards } from './shards.ts';

export type Split = 'train' | 'val';

/** Told how far shards have been fetched; others need no such thing. */
export type Tell = (event: FetchEvent) => void;

/** Opens one split; null when the recipe has none. `source` data sets are given by the program (source.ts). */
export async function openSplit(
  recipe: Recipe,
  split: Split,
  tell?: Tell,
  signal?: AbortSignal,
): Promise<NativeDataset | null> {
  const { data } = recipe;
  const part = data[split];
  if (!part) return null;
  if (data.format === 'source') {
    throw new HdError(
      'HD_USAGE_SOURCE',
      "expected a source for data.format 'source': hand one to new Trainer(recipe, { sources: { train } })",
    );
  }
  const shared = { format: data.format, keepEmpty: data.keepEmpty, minSide: data.minSide };
  if (data.format === 'synthetic') {
    return native().openDataset({ ...shared, ...part, split, seed: data.seed, size: longShort(recipe) });
  }
  // Validation speaks of the same classes in the same order as training.
  const classes =
    (part as { classes?: unknown }).classes ?? (data.train as { classes?: unknown }).classes ?? null;
  const named = Array.isArray(recipe.model.classes) ? recipe.model.classes : classes;
  const files =
    data.format === 'webdataset' && 'shards' in part
      ? {
          shards: await localShards(part.shards, data.shardCache, {
            ...(tell && { tell }),
            ...(signal && { signal }),
          }),
        }
      : {};
  return native().openDataset({ ...shared, ...part, ...files, classes: named });
}

/** Both splits, checked against each other and against `model.classes`. */
export async function openData(
  recipe: Recipe,
  tell?: Tell,
  signal?: AbortSignal,
): Promise<{ trainSet: NativeDataset; valSet: NativeDataset | null }> {
  const trainSet = await openSplit(recipe, 'train', tell, signal);
  if (!trainSet) throw new HdError('HD_DATA_MISSING', 'expected data.train in the recipe', 'data.train');
  const valSet = await openSplit(recipe, 'val', tell, signal);
  checkClasses(recipe, trainSet, valSet);
  return { trainSet, valSet };
}

/** The split to measure on. Without validation pictures it does not fall back on those that were learned from. */
export async function openMeasured(
  recipe: Recipe,
  split: string,
  tell?: Tell,
): Promise<{ trainSet: NativeDataset; dataset: NativeDataset }> {
  if (split !== 'train' && recipe.data.val === null)
    throw new HdError(
      'HD_DATA_MISSING',
      'expected validation pictures (data.val) to measure but the recipe has none: add them, or measure training pictures with --split train',
      'data.val',
    );
  const { trainSet, valSet } = await openData(recipe, tell);
  return { trainSet, dataset: split === 'train' ? trainSet : (valSet as NativeDataset) };
}

export function checkClasses(recipe: Recipe, trainSet: NativeDataset, valSet: NativeDataset | null): void {
  const wanted = recipe.model.classes;
  if (typeof wanted === 'number' && wanted < trainSet.classes.length) {
    throw new HdError(
      'HD_DATA_CLASSES',
      `expected at least ${trainSet.classes.length} for model.classes (the data set has ${trainSet.classes.join(', ')}) but received ${wanted}: use 'auto'`,
      'model.classes',
    );
  }
  if (Array.isArray(wanted) && JSON.stringify(wanted) !== JSON.stringify(trainSet.classes)) {
    throw new HdError(
      'HD_DATA_CLASSES',
      `expected the classes of the data, ${trainSet.classes.join(', ')}, for model.classes but received ${wanted.join(', ')}: use 'auto', or give both the same order`,
      'model.classes',
    );
  }
  if (valSet && JSON.stringify(valSet.classes) !== JSON.stringify(trainSet.classes)) {
    throw new HdError(
      'HD_DATA_CLASSES',
      `expected the same classes in data.train and data.val but train has ${trainSet.classes.join(', ')} and val has ${valSet.classes.join(', ')}: list them under 'classes'`,
      'data.val',
    );
  }
}

/** The classes of the network by name: those of the data, and what `model.classes` asks for beyond them. */
export function classNames(recipe: Recipe, dataset: NativeDataset): string[] {
  const spare = classCount(recipe, dataset) - dataset.classes.length;
  return [
    ...dataset.classes,
    ...Array.from({ length: spare }, (_, i) => `unused ${dataset.classes.length + i}`),
  ];
}

/** The number of classes of the network. */
export function classCount(recipe: Recipe, dataset: NativeDataset): number {
  return typeof recipe.model.classes === 'number' ? recipe.model.classes : dataset.classes.length;
}

/** [long, short] of the canvas that pictures are fitted into; [width, height] that they are stretched to without their ratio. */
function longShort(recipe: Recipe): [number, number] {
  const { size } = recipe.data;
  return Array.isArray(size) ? [size[0], size[1]] : [size, size];
}

/** The pipeline of one split: augmentation in training, the plain resize otherwise. */
function pipeline(recipe: Recipe, training: boolean): Record<string, unknown>[] {
  const { keepRatio } = recipe.data;
  const resize = { resize: { sizes: [longShort(recipe)], ...(!keepRatio && { keepRatio }) } };
  if (!training) return [resize];
  const size = longShort(recipe);
  const steps: Record<string, unknown>[] = recipe.data.augment.map((step) => {
    if (step.mosaic) return { mosaic: { ...step.mosaic, size, keepRatio } };
    return step.centreAffine ? { centreAffine: { ...step.centreAffine, size } } : step;
  });
  if (steps.some((step) => step.resize ?? step.centreAffine)) return steps;
  // Cropping comes before the resize, so that what is left fills the canvas; the rest works on the small picture.
  const crops = (step: Record<string, unknown>) => Boolean(step.crop ?? step.resizeCrop);
  if (keepRatio) return [...steps.filter(crops), resize, ...steps.filter((step) => !crops(step))];
  // A stretch does not change places with a turn: as in NanoDet, it is the last of the geometry.
  const last = steps.findLastIndex((step) => crops(step) || step.affine);
  return [...steps.slice(0, last + 1), resize, ...steps.slice(last + 1)];
}

/** The first step that joins several pictures. */
function joiningStep(recipe: Recipe): string | undefined {
  return recipe.data.augment.flatMap(Object.keys).find((name) => joiningSteps.includes(name));
}

/**
 * `ordered`: pictures come in the order of the data set. In training that is a stream, which is neither shuffled nor forgiven
 * bad samples (see stream.ts); in evaluation, a look at the first ones, not at all.
 */
export function openLoader(
  recipe: Recipe,
  dataset: NativeDataset,
  training: boolean,
  divisor: number,
  ordered = false,
): NativeLoader {
  const { data, train } = recipe;
  const joining = joiningStep(recipe);
  if (training && ordered && joining !== undefined) {
    throw new HdError(
      'HD_USAGE_SOURCE',
      `expected no '${joining}' in data.augment with a source that cannot be asked by number, as it joins pictures in an order of its own: remove the step, or give the source a get(index)`,
      'data.augment',
    );
  }
  if (training && ordered && data.repeat > 1) {
    throw new HdError(
      'HD_USAGE_SOURCE',
      `expected 1 for data.repeat with a source that cannot be asked by number but received ${data.repeat}: train for more epochs`,
      'data.repeat',
    );
  }
  const workers = data.workers === 'auto' ? availableParallelism() : data.workers;
  return new (native().Loader)(dataset, {
    repeat: training ? data.repeat : 1,
    batch: training ? train.batch : Math.max(1, Math.min(train.batch, 16)),
    threads: workers,
    slots: data.slots === 'auto' ? 3 : data.slots,
    seed: train.seed,
    shuffle: training && !ordered,
    evaluate: !training,
    augment: pipeline(recipe, training),
    ...(training && { epochs: train.epochs ?? 0, steps: train.steps ?? 0 }),
    groupByAspect: data.groupByAspect && !ordered,
    canvas: { divisor, maxCanvases: data.canvases },
    cache: {
      kind: data.cache,
      limit: Math.round(data.cacheLimit * 1e9),
      // Apart, or one split's loader would take the other's pictures for those of an earlier run, and make room.
      folder: join(data.cacheFolder ?? cacheFolder('pictures'), training ? 'train' : 'val'),
    },
    onBadSample: training && ordered ? 'stop' : data.onBadSample,
    maxBad: data.maxBad,
    faults: training ? decodeFaults(recipe.debug.fault) : [],
  });
}

/** The `model` section as native code takes it. */
export function modelOptions(recipe: Recipe, classes: number): Record<string, unknown> {
  const { weights: _weights, init: _init, frozenStages, ...model } = recipe.model;
  // Recipes count frozen stages from 1 (stem and layer1), as users do; the network's −1 is 'none' and 0 the stem alone.
  return { ...model, classes, frozenStages: frozenStages === 0 ? -1 : frozenStages };
}

export function sessionOptions(recipe: Recipe, classes: number, training: boolean): SessionOptions {
  const { train } = recipe;
  return {
    model: modelOptions(recipe, classes),
    seed: train.seed,
    threads: threadsOf(recipe),
    precision: training ? precisionOf(recipe) : 'fp32',
    accumulate: train.accumulate,
    optimizer: training ? train.optimizer : null,
    groups: train.groups,
    freeze: train.freeze,
    ema: training && (train.ema !== null || train.swa !== null),
  };
}

export function detectOptions(recipe: Recipe): Record<string, unknown> {
  const { scoreThreshold, candidates, iouThreshold, maxDetections, suppression, flip } = recipe.eval;
  return { scoreThreshold, candidates, iouThreshold, maxDetections, suppression, flip };
}
