/** What an optimiser step takes and tells. */

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
