/** What a run tells while it goes on; the console, `metrics.jsonl` and users' programs read the same events. */
import type { Agreement, BadSample, Finding, MatchReport } from '../native.ts';
import type { TeacherSummary } from './teachers.ts';

export interface StartEvent {
  type: 'start';
  run: string;
  recipe: string;
  classes: string[];
  trainImages: number;
  valImages: number;
  /** Frozen detectors that the student learns from. */
  teachers: TeacherSummary[];
  parameters: number;
  trainableParameters: number;
  precision: 'fp32' | 'bf16';
  threads: number;
  stepsPerEpoch: number;
  totalSteps: number;
  /** Step that the run goes on from; 0 for a fresh one. */
  step: number;
  canvases: [height: number, width: number][];
  findings: Record<string, number>;
  firstFindings: Finding[];
  weights?: MatchReport & { path: string };
  warnings: string[];
  /** Seconds from the call of run() to here. */
  seconds: number;
}

export interface StepEvent {
  type: 'step';
  /** 1-based count of finished optimiser steps. */
  step: number;
  epoch: number;
  lr: number;
  /** Means since the last step event, unweighted terms and 'total'. */
  losses: Record<string, number>;
  gradientNorm: number;
  /** With distillation, per term its share of the weighted loss and of the summed gradient norms, 0–1. */
  shares?: Record<string, { loss: number; gradient: number }>;
  /** With distillation, how far each teacher and the student are apart on this step's assigned anchors. */
  agreement?: Agreement[];
  positives: number;
  imagesPerSecond: number;
  /** Share of the time since the last step event that was spent waiting for data, 0–1. */
  dataWait: number;
  /** Share of the time since the last step event spent outside native code, 0–1. */
  overhead: number;
  /** Bytes that the process holds in RAM (resident set). */
  memory: { rss: number };
  /** Seconds to the end of the run at the present pace. */
  eta: number;
}

export interface EvaluationEvent {
  type: 'eval';
  step: number;
  epoch: number;
  /** ap, ap50, ap75, …, perClass: see docs/guide/predict.md. */
  eval: Record<string, unknown>;
  seconds: number;
  best: boolean;
}

export interface ProgressEvent {
  type: 'progress';
  what: 'evaluating';
  done: number;
  total: number;
}

/** Shards are fetched before a run starts. */
export interface FetchEvent {
  type: 'fetch';
  /** Shards that are whole now, of so many that were missing. */
  ready: number;
  shards: number;
  /** Of all of them, on the disk. */
  bytes: number;
  /** Another process is fetching one of them. */
  waiting?: boolean;
}

export interface CheckpointEvent {
  type: 'checkpoint';
  step: number;
  path: string;
  seconds: number;
}

export interface BadSamplesEvent {
  type: 'bad-samples';
  /** Of training, whose places others take; or of validation, where nothing is found on them. */
  split: 'train' | 'val';
  samples: BadSample[];
  /** Of this split so far. */
  total: number;
  /** Finished steps; the run adds it. */
  step?: number;
}

/** A step was left out because a number was not finite. */
export interface DivergedEvent {
  type: 'diverged';
  step: number;
  message: string;
  /** The images of the batch. */
  where: string;
  /** Steps left out in a row, this one included. */
  inARow: number;
  action: 'skip' | 'rollback';
  /** rollback: the step of the checkpoint whose weights were taken. */
  to?: number;
}

export interface WarningEvent {
  type: 'warning';
  message: string;
  /** Finished steps; the run adds it. */
  step?: number;
}

export interface EndEvent {
  type: 'end';
  status: 'done' | 'interrupted';
  step: number;
  seconds: number;
  weights: string;
  pictures: string[];
}

export type TrainEvent =
  | StartEvent
  | StepEvent
  | EvaluationEvent
  | ProgressEvent
  | FetchEvent
  | CheckpointEvent
  | BadSamplesEvent
  | DivergedEvent
  | WarningEvent
  | EndEvent;
