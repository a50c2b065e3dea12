import { isAbsolute, relative } from 'node:path';
import { dump } from 'js-yaml';
import { schemaComment, schemaFile } from './render.ts';

/** What the native side finds in a folder of data. */
export interface DetectedData {
  format: 'coco' | 'lvis' | 'voc' | 'yolo' | 'webdataset';
  /** Fields of the split, as `data.train` takes them. */
  train: Record<string, unknown>;
  val: Record<string, unknown> | null;
  classes: string[];
  /** Pictures of each split. */
  images: { train: number; val: number };
  /** How many training pictures have which size; 0 × 0 where it is unknown. */
  sizes: { width: number; height: number; count: number }[];
  warnings?: string[];
}

export interface NewRecipeOptions {
  /** Folder that the recipe will lie in; paths below or beside it are written relative to it. */
  folder?: string;
}

/**
 * A commented recipe for a data set, which `loadRecipe` accepts. Sizes and length follow the data: a picture size that
 * the median picture fills, and about 20 000 pictures seen, between 12 and 150 epochs.
 */
export function writeRecipeFor(detected: DetectedData, { folder }: NewRecipeOptions = {}): string {
  const { format, train, val, classes, images } = detected;
  const known = detected.sizes.filter(({ width, height }) => width > 0 && height > 0);
  const middle = {
    width: median(known.map(({ width, count }) => ({ side: width, count }))),
    height: median(known.map(({ height, count }) => ({ side: height, count }))),
  };
  const batch = Math.max(1, Math.min(16, images.train));
  const epochs = Math.max(12, Math.min(150, Math.ceil(20_000 / Math.max(1, images.train))));
  // Label numbers mean nothing without names.
  const namedIfNeeded = format === 'yolo' && classes.length > 0 ? { classes, ...train } : train;
  const named = classes.length === 0 ? 'found in the data' : comment(classes.slice(0, 12).join(', '));
  const more = classes.length > 12 ? `, … (${classes.length} in all)` : '';
  const lines = [
    schemaComment(schemaFile),
    ...(detected.warnings ?? []).map((warning) => `# Note: ${comment(warning)}`),
    '',
    'model:',
    '  detector: gfl',
    '  backbone: resnet18      # resnet34, resnet50, … are better and slower',
    `  classes: auto           # ${named}${more}`,
    '  norm: train             # from scratch; with weights, use eval',
    '  # weights: r18.pth      # start from these; init: backbone takes only the backbone',
    '',
    'data:',
    `  format: ${format}`,
    `  size: ${pictureSize(middle)}               # pixels; the median picture is ${known.length > 0 ? `${middle.width} × ${middle.height}` : 'of unknown size'}`,
    `  train:                  # ${images.train} pictures`,
    ...fields(namedIfNeeded, folder),
    ...(val === null
      ? ['  val: null               # no validation pictures were found: nothing is evaluated']
      : [`  val:                    # ${images.val} pictures`, ...fields(val, folder)]),
    '  augment:',
    '    - flip:',
    '        probability: 0.5',
    '    - colour:',
    '        brightness: 0.125',
    '',
    'train:',
    `  epochs: ${epochs}`,
    `  batch: ${batch}`,
    '  lr: 0.01                # for a batch of lrBatch pictures; scaled to yours',
    '  lrBatch: 16',
    '  schedule:',
    '    kind: cosine',
    '  ema:                    # average of the weights, which is measured and kept',
    '    decay: 0.999',
    '',
    'eval:',
    '  every: 1                # epochs',
    ...(format === 'lvis'
      ? ['  metric: lvis            # or coco', '  maxDetections: 300']
      : ['  metric: coco            # or voc']),
    '',
  ];
  return lines.join('\n');
}

/** The side that half of the pictures reach; NaN without any. */
function median(sides: { side: number; count: number }[]): number {
  const half = sides.reduce((sum, { count }) => sum + count, 0) / 2;
  let seen = 0;
  for (const { side, count } of sides.toSorted((a, b) => a.side - b.side)) {
    seen += count;
    if (seen >= half) return side;
  }
  return Number.NaN;
}

/** A multiple of 32 near the longer median side, 128–640. */
function pictureSize({ width, height }: { width: number; height: number }): number {
  const side = Math.max(width, height);
  const rounded = Number.isFinite(side) ? Math.round(side / 32) * 32 : 320;
  return Math.max(128, Math.min(640, rounded));
}

function fields(split: Record<string, unknown>, folder: string | undefined): string[] {
  const short = (value: unknown) => (typeof value === 'string' ? pathFrom(folder, value) : value);
  const shown = Object.fromEntries(
    Object.entries(split)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [
        key,
        key === 'shards' && Array.isArray(value) ? value.map(short) : short(value),
      ]),
  );
  return dump(shown, { lineWidth: -1, noRefs: true })
    .trimEnd()
    .split('\n')
    .map((line) => `    ${line}`);
}

function pathFrom(folder: string | undefined, path: string): string {
  if (folder === undefined || !isAbsolute(path)) return path;
  const short = relative(folder, path);
  return short.length < path.length ? short || '.' : path;
}

/** One line, whatever it was. */
const comment = (text: string): string => text.replace(/[\s\p{Cc}]+/gu, ' ');
