/**
 * The typed surface of the native addon, and the only file that loads it.
 *
 * The addon mirrors native/ and does nothing clever. Options are plain objects that the recipe layer has validated;
 * failures arrive as {@link HdError}.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { HdError } from './error.ts';

/** What the addon was built with and what this machine can do. */
export interface NativeInfo {
  torch: string;
  /** ATen's capability: 'DEFAULT' | 'AVX2' | 'AVX512'. */
  capability: string;
  avx2: boolean;
  avx512: boolean;
  amx: boolean;
  bf16: boolean;
  /** Whether the processor multiplies bf16 at about twice the rate of fp32. */
  bf16Pays: boolean;
  cuda: string | null;
  /** Picture decoders and their versions. */
  decoders: Record<string, string>;
  threads: number;
  /** Digest of the sources that the addon was built from. */
  build: string;
}

export interface AnnotationView {
  /** x1, y1, x2, y2 in original pixels. */
  boxes: Float32Array;
  labels: Int32Array;
  /** 1 where crowd or difficult. */
  ignore: Uint8Array;
}

export interface ImageInfo extends AnnotationView {
  id: number;
  file: string;
  width: number;
  height: number;
}

export interface Finding {
  code: string;
  where: string;
  message: string;
}

/** Per-class counts, box sizes and findings of a data set; pictures decoded when `decode` was asked for. */
export interface DatasetReport {
  images: number;
  trainable: number;
  annotations: number;
  perClass: { name: string; images: number; objects: number; ignored: number; medianSide: number }[];
  /** Quantiles 0, .1, .25, .5, .75, .9, 1 of √area in pixels. */
  boxSides: number[];
  imageSizes: { width: number; height: number; count: number }[];
  findings: Finding[];
  findingCounts: Record<string, number>;
  /** Groups of file names with equal pixels. */
  duplicates: string[][];
}

export interface NativeDataset {
  readonly length: number;
  readonly classes: string[];
  readonly digest: string;
  image(index: number): ImageInfo;
  /** Annotation problems found while indexing: counts by code, and the first twenty. */
  findings(): { counts: Record<string, number>; first: Finding[] };
  report(options: { decode: boolean; threads: number }): Promise<DatasetReport>;
  /** Pairs of files of this and the other set with equal or nearly equal pixels. */
  leakage(
    other: NativeDataset,
    threads: number,
  ): Promise<{ file: string; other: string; distance: number }[]>;
}

/** A picture that could not be used, and why. */
export interface BadSample {
  image: number;
  file: string;
  code: string;
  message: string;
}

export interface LoaderStatistics {
  waitSeconds: number;
  images: number;
  copiedBytes: number;
  badSamples: number;
  /** Those that no earlier call has named. */
  newBadSamples: BadSample[];
  /** Seconds that somebody has been waiting for a batch by now; 0 when nobody is. */
  waiting: number;
  /** Files that decode threads are at. */
  reading: string[];
  /** Pictures found and not found in `data.cache`, its size, and why it keeps nothing more ('' while it does). */
  cache: { hits: number; misses: number; bytes: number; closed: string };
}

export interface NativeLoader {
  readonly stepsPerEpoch: number;
  readonly slots: number;
  readonly canvases: [height: number, width: number][];
  begin(epoch: number, step: number): void;
  /**
   * The next batch as views of slot memory (nothing is copied), or null at the end of an evaluation pass. The view is
   * detached by the next call of next(), release(), begin() or close().
   */
  next(): Promise<BatchView | null>;
  release(): void;
  /** Draws picture `index` of the batch that next() gave, with its targets, to a JPEG or PNG. */
  draw(index: number, out: string): void;
  statistics(): LoaderStatistics;
  close(): void;
}

export interface BatchView {
  slot: number;
  epoch: number;
  step: number;
  count: number;
  height: number;
  width: number;
  /** uint8 RGB, N×H×W×3. */
  pixels: ArrayBuffer;
  images: {
    image: number;
    position: number;
    /** Valid pixels; the rest of the canvas is padding. */
    width: number;
    height: number;
    /** x1, y1, x2, y2 in canvas pixels. */
    boxes: Float32Array;
    labels: Int32Array;
  }[];
}

export interface ParameterInfo {
  name: string;
  shape: number[];
  buffer: boolean;
  trainable: boolean;
}

export interface TapInfo {
  name: string;
  shape: number[];
  stride: number;
  describes: string;
}

/** What a weight file gave: printed before step 0. */
export interface MatchReport {
  matched: string[];
  missing: string[];
  unexpected: string[];
  wrongShape: { name: string; file: number[]; model: number[] }[];
}

export interface StepInput {
  /** 0-based optimiser step (AdamW's bias correction). */
  step: number;
  /** Learning rate of this step, per parameter group in the session's order. */
  learningRates: number[];
  /** EMA decay of this step; ignored when the session has no EMA. */
  emaDecay: number;
  /** Factor on each loss term by name; missing means the detector's default. */
  lossWeights: Record<string, number>;
  /** 0 = no clipping. */
  clipNorm: number;
  /** True: read the loss values back (a device sync). */
  readLosses: boolean;
  /** True: measure termGradients and agreement. */
  diagnostics?: boolean;
  /** Micro-batches of this step; without, as the session was made. */
  accumulate?: number;
  /** What to pretend, for tests of what follows: memory that runs out, or a loss that is no number. */
  fault?: 'memory' | 'nan' | '';
}

/** Means over assigned anchors; what the transfers do not read is absent. */
export interface Agreement {
  /** Assigned anchors that were looked at. */
  rows: number;
  /** KL(teacher ‖ student) of the left, top, right and bottom distribution, in nats. */
  sides?: number[];
  /** Share of anchors where both find the same class likeliest. */
  sameClass?: number;
  /** Mean difference of class scores, 0–1. */
  scoreDifference?: number;
  /** With teachers[].cache: pictures found and not found since the start, bytes on disk, whether it is full. */
  cache?: { hits: number; misses: number; bytes: number; full: boolean };
}

export interface StepOutput {
  /** False: the loader had no further batch. */
  done: boolean;
  epoch: number;
  step: number;
  images: number;
  /** Image indices of the batch, for error reports. */
  imageIds: number[];
  positives: number;
  /** Micro-batches that the step took: more than asked for when memory ran out. */
  accumulate: number;
  /** Present when readLosses: unweighted terms by name, and 'total'. */
  losses?: Record<string, number>;
  gradientNorm?: number;
  /** With diagnostics: the terms times their weights. */
  weighted?: Record<string, number>;
  /** Per term the norm of the gradient of its weighted value with respect to the maps that losses read. */
  termGradients?: Record<string, number>;
  /** One a teacher. */
  agreement?: Agreement[];
  /** Seconds inside the native call: waiting for data, and all of it. */
  waitSeconds: number;
  seconds: number;
}

/** See native/engine/probe.cpp. Numbers may be NaN or infinite. */
export interface ProbeReport {
  epoch: number;
  step: number;
  total: number;
  gradientNorm: number;
  positives: number;
  images: number[];
  terms: { name: string; value: number; weight: number; weighted: number; gradientNorm: number }[];
  /** In the order of the network; the statistics are those of the finite elements. */
  tensors: {
    name: string;
    shape: number[];
    nonFinite: number;
    zeros: number;
    mean: number;
    deviation: number;
    largest: number;
  }[];
  parameters: {
    name: string;
    shape: number[];
    weightNorm: number;
    gradientNorm: number;
    nonFiniteWeights: number;
    nonFiniteGradients: number;
  }[];
}

export interface SessionOptions {
  /** The resolved `model` section with `classes` as a number. */
  model: Record<string, unknown>;
  seed: number;
  threads: number;
  precision: 'fp32' | 'bf16';
  /** Micro-batches per optimiser step. */
  accumulate: number;
  /** Null: a session for evaluation only. */
  optimizer: Record<string, unknown> | null;
  /** Ordered; the first matching group takes a parameter; a last group '*' is implied. */
  groups: { match: string; lr: number; decay: number }[];
  /** Patterns of names; one that matches nothing is refused, as in `groups`. */
  freeze: string[];
  /** Names of the loss terms that steps will weigh; one that is no term is refused. */
  lossWeights?: string[];
  ema: boolean;
  /** See lib/trainer/teachers.ts; absent without distillation. */
  teachers?: {
    weights: string;
    model: Record<string, unknown>;
    classMap: number[] | null;
    /** `limit` in bytes. */
    cache: { folder: string; limit: number } | null;
  }[];
  distill?: Record<string, unknown>[];
}

export interface NativeSession {
  readonly parameterInfo: ParameterInfo[];
  readonly divisor: number;
  describe(height: number, width: number): Promise<{ taps: TapInfo[]; multiplyAdds: number }>;
  /** Reads weights by name. 'strict' refuses any mismatch; 'backbone' takes what fits below `backbone.`. */
  loadWeights(path: string, mode: 'strict' | 'backbone'): Promise<MatchReport>;
  step(loader: NativeLoader, input: StepInput): Promise<StepOutput>;
  /** What a step on the loader's next batch would see; nothing changes. */
  probe(loader: NativeLoader, input: StepInput): Promise<ProbeReport>;
  /**
   * Detects on the loader's next batch into the evaluator. With options.teacher: by that teacher; options.fault 'memory':
   * as if memory ran out once.
   */
  detect(
    loader: NativeLoader,
    evaluator: NativeEvaluator,
    options: Record<string, unknown>,
  ): Promise<DetectOutput>;
  /**
   * Detects on the next batch with this network's head on own · (its features) + other · (those of `other`), once a
   * point into the evaluator of the same place. `images` is 0 at the end of the pass.
   */
  detectMixed(
    other: NativeSession,
    loader: NativeLoader,
    evaluators: NativeEvaluator[],
    points: { own: number; other: number }[],
    options: Record<string, unknown>,
  ): Promise<{ images: number; levels: LevelDifference[] }>;
  /** Everything that a resume needs, as `weights.safetensors` in `folder` (which exists). */
  save(folder: string): Promise<void>;
  restore(folder: string): Promise<void>;
  /** EMA weights if EMA is on, else the current ones. */
  exportWeights(path: string, metadata: Record<string, string>): Promise<void>;
  /** Seconds since creation by part of the step, for `bench`. */
  profile(): Promise<Record<string, number>>;
  close(): void;
}

export interface DetectOutput {
  /** Images done; 0 at the end of the pass. */
  images: number;
  /** Present when memory ran out: images that the session takes at once from here on. */
  atOnce?: number;
}

/** Mean absolute differences of two networks on one level, over all cells of the canvas. */
export interface LevelDifference {
  level: string;
  cells: number;
  /** Of class scores. */
  cls: number;
  /** Of the distributions of box sides. */
  reg: number;
}

export type ErrorKind = 'classification' | 'localization' | 'both' | 'duplicate' | 'background' | 'missed';

/** Where detections go wrong; native/eval/diagnosis.h says how each number is made. */
export interface Diagnosis {
  /** Least overlap of a detection that is right; least score in `confusion` and `sizes`. */
  iou: number;
  score: number;
  /** COCO's AP at `iou`; -1 without truths. */
  ap: number;
  /** By class: precision at recall 0, 0.01 … 1, and the score where that recall is reached; -1 without truths. */
  curves: { name: string; precision: number[]; scores: number[] }[];
  mean: { precision: number[]; scores: number[] };
  /** Rows are true classes, columns what they were taken for; the last of both is the background. */
  confusion: number[][];
  /** How many there are, and how much AP would rise without them. */
  errors: Record<ErrorKind, number>;
  costs: Record<ErrorKind, number>;
  sizes: { name: 'small' | 'medium' | 'large'; truths: number; found: number }[];
}

export interface NativeEvaluator {
  summarize(options: Record<string, unknown>): Promise<Record<string, unknown>>;
  diagnose(options: { iou?: number; score?: number; threads?: number }): Promise<Diagnosis>;
  detections(image: number): { boxes: Float32Array; scores: Float32Array; labels: Int32Array };
  writeResults(path: string): Promise<void>;
  clear(): void;
}

/** What a user's source answers for one index; lib/trainer/source.ts makes it from what users give. */
export interface SourceAnswer extends SourceTruth {
  image: Uint8Array;
  width: number;
  height: number;
  done(): void;
}

export interface SourceTruth {
  boxes: Float32Array;
  labels: Int32Array;
  ignore: Uint8Array;
}

export interface SourceOptions {
  length: number;
  classes: string[];
  sizes?: [width: number, height: number][];
}

export interface WeightsInfo {
  metadata: Record<string, string>;
  tensors: { name: string; shape: number[]; dtype: string }[];
}

export interface DrawSet {
  boxes: Float32Array;
  labels: Int32Array;
  scores?: Float32Array;
  colour: string;
  title: string;
}

export interface NativeAddon {
  info(): NativeInfo;
  openDataset(spec: Record<string, unknown>): Promise<NativeDataset>;
  openSource(options: SourceOptions, get: (index: number) => Promise<SourceAnswer>): NativeDataset;
  /** `memory` is detached when the promise settles. */
  openSource(
    options: SourceOptions & { fill: true },
    fill: (index: number, memory: ArrayBuffer, pitch: number) => Promise<SourceTruth>,
  ): NativeDataset;
  /** File names for `train-{000..012}.tar`; see native/data/formats/braces.h. */
  expandBraces(pattern: string): string[];
  detectDataset(options: { folder: string }): Promise<Record<string, unknown>>;
  Loader: new (dataset: NativeDataset, options: Record<string, unknown>) => NativeLoader;
  Evaluator: new (dataset: NativeDataset) => NativeEvaluator;
  createSession(options: SessionOptions): Promise<NativeSession>;
  /** COCO or VOC scores of result files; see lib/cli/score.ts. */
  score(options: Record<string, unknown>): Promise<Record<string, unknown>>;
  benchEval(options: Record<string, unknown>): Promise<Record<string, unknown>>;
  benchNms(options: Record<string, unknown>): Promise<Record<string, unknown>>;
  benchDistillation(options: Record<string, unknown>): Promise<Record<string, unknown>>;
  /** See lib/ops.ts, which checks the arguments. */
  suppress(
    boxes: Float32Array,
    scores: Float32Array,
    labels: Int32Array,
    options: Record<string, unknown>,
  ): { keep: Int32Array; boxes: Float32Array; scores: Float32Array };
  boxIou(kind: string, a: Float32Array, b: Float32Array): Float32Array;
  /** Draws labelled boxes on a picture and writes a JPEG or PNG by the extension of `out`. */
  draw(options: { dataset: NativeDataset; image: number; out: string; sets: DrawSet[] }): Promise<void>;
  importWeights(
    from: string,
    to: string,
    metadata: Record<string, string>,
    /** Takes the tensors whose names start with `prefix`, which is cut off, and do not end in one of `drop`. */
    select?: { prefix?: string; drop?: readonly string[] },
  ): Promise<WeightsInfo>;
  /** Names, shapes and metadata of a weight file (safetensors or .pth). */
  weightsInfo(path: string): Promise<WeightsInfo>;
  /** flock on `path`; false when another process holds it. */
  lockFile(path: string): { release(): void } | false;
  /** fsync of a file or folder. */
  fsyncPath(path: string): void;
  /** Writes a small file so that it is either the old or the new one after any crash. Blocks. Throws HD_IO, HD_DISK_FULL. */
  writeFile(path: string, text: string): void;
  /** Deletes the temporary files (`NAME.tmp-PID`) that killed writers left in a folder nobody else writes to; how many. */
  removeTemporaries(folder: string): number;
  /** Lets no native work start any more and waits for what runs; false when something still does after so many milliseconds. */
  finishWork(milliseconds: number): boolean;
  setErrorClass(errorClass: typeof HdError): void;
  /** Path of libvips; the first call of a process decides. */
  setPictureLibrary(path: string): void;
}

let loaded: NativeAddon | undefined;

/** Milliseconds that the end of a process waits for a step that is under way. */
const longestStep = 20_000;

/** Where a built addon may lie, best first. */
export function addonCandidates(): string[] {
  const root = fileURLToPath(new URL('..', import.meta.url));
  return [process.env.HDTRAIN_ADDON ?? '', `${root}native/.build/addon/Release/hdtrain.node`].filter(
    (path) => path !== '',
  );
}

/** libvips, which reads WebP, AVIF, TIFF and GIF; undefined where the optional package is not installed. */
function pictureLibrary(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('@img/sharp-libvips-linux-x64/binary');
  } catch {
    return undefined;
  }
}

/** The addon. Throws HD_NATIVE_MISSING or HD_NATIVE_LOAD with the cures for this platform. */
export function native(): NativeAddon {
  if (loaded) return loaded;
  const path = addonCandidates().find((candidate) => existsSync(candidate));
  if (!path) {
    throw new HdError(
      'HD_NATIVE_MISSING',
      `the native addon is not built: run 'npm run setup' in ${fileURLToPath(new URL('..', import.meta.url))} (npm may have skipped install scripts; 'npm rebuild hdtrain' runs them)`,
    );
  }
  try {
    loaded = createRequire(import.meta.url)(path) as NativeAddon;
    const addon = loaded;
    addon.setErrorClass(HdError);
    const pictures = pictureLibrary();
    if (pictures) addon.setPictureLibrary(pictures);
    // A thread that still works while the process takes its libraries down would crash it.
    process.once('exit', () => addon.finishWork(longestStep));
    return addon;
  } catch (error) {
    throw new HdError(
      'HD_NATIVE_LOAD',
      `cannot load ${path}: ${(error as Error).message}; run 'npm run setup' to rebuild it against this Node and libtorch, and 'npx hdtrain doctor' to see what is found`,
    );
  }
}
