/**
 * Hooks are the trainer's only extension point: checkpointing, evaluation and logging are hooks too. They run in the
 * order in which they are given, one after the other, between native calls.
 */
import type { StepOutput } from '../../native.ts';
import type { TrainContext } from '../context.ts';
import type { TrainEvent } from '../events.ts';

export interface Hook {
  /** Stands in checkpoints: state is given back to the hook of the same name. */
  readonly name: string;
  /** Before the first step, after a restore. */
  onStart?(context: TrainContext): void | Promise<void>;
  /** After each optimiser step; `output` is null when the step was left out (`train.onDiverged`). */
  afterStep?(context: TrainContext, output: StepOutput | null): void | Promise<void>;
  /** After the last step of an epoch, and after the last step of the run even inside an epoch. */
  afterEpoch?(context: TrainContext): void | Promise<void>;
  /** Every event, in order; must not block. */
  onEvent?(event: TrainEvent): void;
  /** Always runs, after success, interruption (`context.status`) or an error (`context.error`). */
  onEnd?(context: TrainContext): void | Promise<void>;
  /** Plain data for the checkpoint. */
  state?(): unknown;
  /** Takes back what `state` gave, before the first step of a resumed run. */
  restore?(state: unknown): void;
}
