/** A network with its training state, as native/engine/session.h holds it. */
import type { NativeEvaluator } from './evaluator.ts';
import type { NativeLoader } from './loader.ts';
import type { ProbeReport, StepInput, StepOutput } from './step.ts';

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
   * point into the evaluator of the same place. `images` is 0 at the end of the pass; options.fault as in detect().
   */
  detectMixed(
    other: NativeSession,
    loader: NativeLoader,
    evaluators: NativeEvaluator[],
    points: { own: number; other: number }[],
    options: Record<string, unknown>,
  ): Promise<DetectOutput & { levels?: LevelDifference[] }>;
  /** Everything that a resume needs, as `weights.safetensors` in `folder` (which exists). */
  save(folder: string): Promise<void>;
  restore(folder: string): Promise<void>;
  /** EMA weights if EMA is on, else the current ones. */
  exportWeights(path: string, metadata: Record<string, string>): Promise<void>;
  /** Seconds since creation by part of the step, for `bench`. */
  profile(): Promise<Record<string, number>>;
  close(): void;
}
