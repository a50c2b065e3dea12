/** What hooks see of a run. The trainer moves `step`; everything else is fixed once the run has started. */
import type { NativeDataset, NativeLoader, NativeSession } from '../native.ts';
import type { Recipe } from '../recipe/schema/root.ts';
import type { TrainEvent } from './events.ts';
import type { Faults } from './faults.ts';
import type { RunFolder } from './run-folder.ts';
import type { Timeline } from './schedule.ts';
import type { Stream } from './stream.ts';

export interface TrainContext {
  /** Complete: every default is written out. */
  readonly recipe: Recipe;
  /** Where the run keeps its files. */
  readonly folder: RunFolder;
  /** The network, its optimiser and its teachers. */
  readonly session: NativeSession;
  /** The index of `data.train`. */
  readonly trainSet: NativeDataset;
  /** The index of `data.val`; null without. */
  readonly valSet: NativeDataset | null;
  /** What fills batches of `trainSet`. */
  readonly loader: NativeLoader;
  /** What the loader reads when the program gave an async iterable. */
  readonly stream: Stream | null;
  /** Steps and epochs of the run, and what happens at which. */
  readonly timeline: Timeline;
  /** Trouble on purpose (`debug.fault`). */
  readonly faults: Faults;
  /** Aborted when the run shall end. */
  readonly signal: AbortSignal;
  /** Finished optimiser steps. */
  step: number;
  /** 0-based epoch that the last finished step belongs to. */
  epoch: number;
  /** Hooks of the end read here how the run ended. */
  status: 'running' | 'done' | 'interrupted' | 'failed';
  /** Why it failed. */
  error?: unknown;
  /** Why the run ends before its last step; set by {@link stop}. */
  stopped: string | null;
  /** Ends the run as done after the hooks of this step. */
  stop(why: string): void;
  /** Tells everybody. */
  emit(event: TrainEvent): void;
  /** The state of every hook by name, for a checkpoint. */
  hookStates(): Record<string, unknown>;
}
