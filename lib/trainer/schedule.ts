/**
 * Everything that changes with the step number, as pure functions of it: no state to save, the same after a resume.
 * Formulas follow mmcv 1.2.7 (step, cosine, poly; warm-up multiplies the regular rate).
 */

import type { TrainSection } from '../recipe/schema/train.ts';
import { averagingStart } from './average.ts';

type Schedule = Pick<TrainSection['schedule'], 'kind'> &
  Partial<Omit<TrainSection['schedule'], 'at'>> & { at?: readonly number[] };
type Warmup = TrainSection['warmup'];

/** What the rate follows. `swa` holds the rate of the step that its averaging begins with, or has one of its own. */
export interface Course {
  schedule: Schedule;
  warmup: Warmup;
  swa: TrainSection['swa'];
}

export interface Timeline {
  stepsPerEpoch: number;
  totalSteps: number;
}

/** A length in `unit`, in optimiser steps. */
export function inSteps(length: number, unit: 'epochs' | 'steps' | 'run', timeline: Timeline): number {
  if (unit === 'epochs') return length * timeline.stepsPerEpoch;
  return unit === 'run' ? length * timeline.totalSteps : length;
}

/** Share of the base rate at a step, without warm-up. Drops that are given in epochs happen at whole epochs. */
export function scheduleFactor(step: number, schedule: Schedule, timeline: Timeline): number {
  const floor = schedule.floor ?? 0;
  const progress = Math.min(1, step / Math.max(1, timeline.totalSteps));
  switch (schedule.kind) {
    case 'constant':
      return 1;
    case 'steps': {
      const unit = schedule.unit ?? 'epochs';
      const position = unit === 'epochs' ? Math.floor(step / timeline.stepsPerEpoch) : step;
      const drops = (schedule.at ?? []).filter(
        (at) => position >= (unit === 'run' ? inSteps(at, unit, timeline) : at),
      );
      return (schedule.gamma ?? 0.1) ** drops.length;
    }
    case 'cosine':
      return floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress));
    case 'poly':
      return floor + (1 - floor) * (1 - progress) ** (schedule.power ?? 0.9);
  }
}

/** Factor of warm-up at a step: 1 once it is over. */
export function warmupFactor(step: number, warmup: Warmup, timeline: Timeline): number {
  const length = inSteps(warmup.length, warmup.unit, timeline);
  if (step >= length) return 1;
  switch (warmup.kind) {
    case 'constant':
      return warmup.ratio;
    case 'linear':
      return 1 - (1 - step / length) * (1 - warmup.ratio);
    case 'exp':
      return warmup.ratio ** (1 - step / length);
  }
}

/** The learning rate of a step. */
export function learningRate(
  step: number,
  base: number,
  { schedule, warmup, swa }: Course,
  timeline: Timeline,
): number {
  const held = swa !== null && step >= averagingStart(swa, timeline);
  const factor =
    held && swa.lr !== null
      ? swa.lr
      : scheduleFactor(held ? averagingStart(swa, timeline) : step, schedule, timeline);
  return base * factor * warmupFactor(step, warmup, timeline);
}

/** A place in the course of the learning rate. */
export interface RatePoint {
  /** 0-based. */
  step: number;
  rate: number;
  /** What happens there. */
  what: string;
}

/** The first step that comes at or after each drop; steps at or beyond the end of the run among them. */
function dropSteps({ kind, at = [], unit = 'epochs' }: Schedule, timeline: Timeline): number[] {
  if (kind !== 'steps') return [];
  return at.map((place) =>
    unit === 'epochs' ? Math.ceil(place) * timeline.stepsPerEpoch : Math.ceil(inSteps(place, unit, timeline)),
  );
}

/**
 * The rate at the first step, where warm-up is over, at each drop, where averaging begins and at the last step.
 * `missed`: drops that never happen, since the run ends or the rate is held before them.
 */
export function rateCourse(
  train: Pick<TrainSection, 'lr' | 'lrBatch' | 'batch'> & Course,
  timeline: Timeline,
): { points: RatePoint[]; missed: number } {
  const { schedule, warmup, swa } = train;
  const last = timeline.totalSteps - 1;
  const held = swa ? averagingStart(swa, timeline) : last;
  const warm = Math.ceil(inSteps(warmup.length, warmup.unit, timeline));
  const drops = dropSteps(schedule, timeline);
  const events: [step: number, what: string][] = [
    [0, 'first'],
    ...(warm > 0 ? [[warm, 'warm-up is over'] as [number, string]] : []),
    ...drops.filter((step) => step <= held).map((step): [number, string] => [step, 'drop']),
    ...(swa ? [[held, 'averaging begins'] as [number, string]] : []),
    [last, 'last'],
  ];
  const named = new Map<number, Set<string>>();
  for (const [step, what] of events) {
    if (step <= last) named.set(step, (named.get(step) ?? new Set()).add(what));
  }
  const base = baseLearningRate(train);
  const points = [...named]
    .sort(([a], [b]) => a - b)
    .map(([step, what]) => ({
      step,
      rate: learningRate(step, base, train, timeline),
      what: [...what].join(', '),
    }));
  return { points, missed: drops.filter((step) => step > Math.min(held, last)).length };
}

/** `lr` is meant for a batch of `lrBatch` images and scales linearly with the batch (Goyal et al. 2017). */
export function baseLearningRate(train: Pick<TrainSection, 'lr' | 'lrBatch' | 'batch'>): number {
  return train.lrBatch > 0 ? (train.lr * train.batch) / train.lrBatch : train.lr;
}

/** What `SessionOptions.groups` want at a rate: one for each group of the recipe, then that of all other parameters. */
export function groupRates(groups: readonly { lr: number }[], rate: number): number[] {
  return [...groups.map((group) => group.lr * rate), rate];
}
