/**
 * The average of the weights that evaluation and users get, as one number a step: the share that the average keeps, while
 * the weights after the step make up the rest. 0 is the weights themselves, 1 leaves the average as it is.
 */

import type { TrainSection } from '../recipe/schema/train.ts';
import { inSteps, type Timeline } from './schedule.ts';

type Ema = NonNullable<TrainSection['ema']>;
type Swa = NonNullable<TrainSection['swa']>;

export function averageDecay(
  step: number,
  { ema, swa }: Pick<TrainSection, 'ema' | 'swa'>,
  timeline: Timeline,
): number {
  if (ema) return emaDecay(step, ema);
  return swa ? swaDecay(step, swa, timeline) : 0;
}

/** Rises to `decay` so that the first weights are forgotten. */
function emaDecay(step: number, { decay, warmup }: Ema): number {
  return warmup > 0 ? decay * (1 - Math.exp(-(step + 1) / warmup)) : decay;
}

/** The first step that averaging takes part in. */
export function averagingStart({ from }: Swa, timeline: Timeline): number {
  return Math.min(Math.ceil(inSteps(from, 'run', timeline)), timeline.totalSteps - 1);
}

/**
 * Stochastic weight averaging (Izmailov et al. 2018, equation of section 3.2): the k-th weights enter with 1 / k. They are
 * counted back from the end of the run, so that the last weights are always among them.
 */
function swaDecay(step: number, swa: Swa, timeline: Timeline): number {
  const every = Math.max(1, Math.round(inSteps(swa.every, swa.unit, timeline)));
  const last = timeline.totalSteps - 1;
  const count = Math.floor((last - averagingStart(swa, timeline)) / every) + 1;
  const taken = count - Math.ceil((last - step) / every);
  if (taken < 1) return 0;
  return (last - step) % every === 0 ? (taken - 1) / taken : 1;
}
