/** What the addon itself offers. */
import type { HdError } from '../error.ts';
import type { NativeDataset, SourceAnswer, SourceOptions, SourceTruth } from './dataset.ts';
import type { NativeEvaluator } from './evaluator.ts';
import type { NativeLoader } from './loader.ts';
import type { NativeSession, SessionOptions } from './session.ts';

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
  benchTeacher(options: Record<string, unknown>): Promise<Record<string, unknown>>;
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
  /** '#rrggbb' of the boxes of a class in drawn pictures, repeating after a dozen; below 0: of regions to ignore. */
  classColour(label: number): string;
  importWeights(
    from: string,
    to: string,
    metadata: Record<string, string>,
    /**
     * Takes the tensors whose names start with `prefix`, which is cut off; but not those that end in one of `drop`, or start
     * with one of `dropBelow` behind the prefix.
     */
    select?: { prefix?: string; drop?: readonly string[]; dropBelow?: readonly string[] },
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
  /** Ends the process at once with this exit code, whatever its threads hang in; nothing of JavaScript runs any more. */
  endProcess(code: number): void;
  /**
   * After so many milliseconds SIGINT and SIGTERM end the process as interrupted (75), also while this thread is blocked;
   * until then they do nothing. For the command line only.
   */
  endOnSignals(milliseconds: number): void;
  setErrorClass(errorClass: typeof HdError): void;
  /** Path of libvips; the first call of a process decides. */
  setPictureLibrary(path: string): void;
}
