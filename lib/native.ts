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
  cuda: string | null;
  jpeg: string;
  png: string;
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
  report(options: { decode: boolean; threads: number }): Promise<DatasetReport>;
  /** Pairs of files of this and the other set with equal or nearly equal pixels. */
  leakage(other: NativeDataset, threads: number): Promise<{ file: string; other: string; distance: number }[]>;
}

export interface LoaderStatistics {
  waitSeconds: number;
  images: number;
  copiedBytes: number;
  badSamples: number;
  newBadSamples: { image: number; file: string; code: string; message: string }[];
}

export interface NativeLoader {
  readonly stepsPerEpoch: number;
  readonly slots: number;
  readonly canvases: [height: number, width: number][];
  begin(epoch: number, step: number): void;
  statistics(): LoaderStatistics;
  /** A view of slot memory; nothing is copied. */
  slotView(index: number): ArrayBuffer;
  close(): void;
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
  /** Present when readLosses: unweighted terms by name, and 'total'. */
  losses?: Record<string, number>;
  gradientNorm?: number;
  /** Seconds inside the native call: waiting for data, and all of it. */
  waitSeconds: number;
  seconds: number;
}

export interface SessionOptions {
  /** The resolved `model` section with `classes` as a number. */
  model: Record<string, unknown>;
  seed: number;
  threads: number;
  precision: 'fp32' | 'bf16';
  /** Micro-batches per optimiser step. */
  accumulate: number;
  optimizer: Record<string, unknown>;
  /** Ordered; the first matching group takes a parameter. */
  groups: { match: string; lr: number; decay: number }[];
  freeze: string[];
  ema: boolean;
}

export interface NativeSession {
  readonly parameterInfo: ParameterInfo[];
  readonly divisor: number;
  describe(height: number, width: number): Promise<{ taps: TapInfo[]; multiplyAdds: number }>;
  /** Reads weights by name. 'strict' refuses any mismatch; 'backbone' takes what fits below `backbone.`. */
  loadWeights(path: string, mode: 'strict' | 'backbone'): Promise<MatchReport>;
  step(loader: NativeLoader, input: StepInput): Promise<StepOutput>;
  /** Detects on the loader's next batch into the evaluator; images done, 0 at the end of the pass. */
  detect(loader: NativeLoader, evaluator: NativeEvaluator, options: Record<string, unknown>): Promise<number>;
  /** Everything that a resume needs, as `weights.safetensors` in `folder` (which exists). */
  save(folder: string): Promise<void>;
  restore(folder: string): Promise<void>;
  /** EMA weights if EMA is on, else the current ones. */
  exportWeights(path: string, metadata: Record<string, string>): Promise<void>;
  /** Seconds since creation by part of the step, for `bench`. */
  profile(): Record<string, number>;
  close(): void;
}

export interface NativeEvaluator {
  summarize(options: Record<string, unknown>): Promise<Record<string, unknown>>;
  detections(image: number): { boxes: Float32Array; scores: Float32Array; labels: Int32Array };
  writeResults(path: string): Promise<void>;
  clear(): void;
}

export interface NativeAddon {
  info(): NativeInfo;
  openDataset(spec: Record<string, unknown>): Promise<NativeDataset>;
  createLoader(dataset: NativeDataset, options: Record<string, unknown>): NativeLoader;
  createSession(options: SessionOptions): Promise<NativeSession>;
  createEvaluator(dataset: NativeDataset): NativeEvaluator;
  /** COCO or VOC scores of result files; see lib/cli/score.ts. */
  score(options: Record<string, unknown>): Promise<Record<string, unknown>>;
  /** Draws labelled boxes on a picture and writes a JPEG or PNG by extension of `out`. */
  draw(options: {
    dataset: NativeDataset;
    image: number;
    out: string;
    sets: { boxes: Float32Array; labels: Int32Array; scores?: Float32Array; colour: string; title: string }[];
  }): Promise<void>;
  importWeights(from: string, to: string, metadata: Record<string, string>): Promise<{ name: string; shape: number[]; dtype: string }[]>;
  /** flock on `path`; false when another process holds it. */
  lockFile(path: string): { release(): void } | false;
  fsyncPath(path: string): void;
}

let loaded: NativeAddon | undefined;

/** Where a built addon may lie, best first. */
export function addonCandidates(): string[] {
  const root = fileURLToPath(new URL('..', import.meta.url));
  return [process.env.HDTRAIN_ADDON ?? '', `${root}native/.build/addon/hdtrain.node`].filter((path) => path !== '');
}

/** The addon. Throws HD_NATIVE_MISSING or HD_NATIVE_LOAD with the cures for this platform. */
export function native(): NativeAddon {
  if (loaded) return loaded;
  const path = addonCandidates().find((candidate) => existsSync(candidate));
  if (!path) {
    throw new HdError('HD_NATIVE_MISSING', `the native addon is not built: run 'npm run setup' in ${fileURLToPath(new URL('..', import.meta.url))} (npm may have skipped install scripts; 'npm rebuild hdtrain' runs them)`);
  }
  try {
    loaded = createRequire(import.meta.url)(path) as NativeAddon;
    return loaded;
  } catch (error) {
    throw new HdError('HD_NATIVE_LOAD', `cannot load ${path}: ${(error as Error).message}; run 'npm run setup' to rebuild it against this Node and libtorch, and 'npx hdtrain doctor' to see what is found`);
  }
}
