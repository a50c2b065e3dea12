/**
 * Takes optimiser steps and deals with what can go wrong in one: numbers that are not finite (`train.onDiverged`), memory
 * that runs out (the batch is cut finer, the effective batch stays), and pictures that do not come.
 *
 * Invariant: a step that fails has changed nothing. Every call moves on to the next batch, so a skipped step costs its
 * pictures and nothing else.
 */
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { HdError } from '../../error.ts';
import { native, type StepInput, type StepOutput } from '../../native.ts';
import type { TrainContext } from '../context.ts';
import { tellStatistics } from '../start.ts';
import { watchLoader } from '../watch.ts';
import type { Hook } from './hook.ts';

export class StepTaker implements Hook {
  readonly name = 'steps';
  /** Micro-batches; 0 as the recipe says. More once memory ran out. */
  #accumulate = 0;
  #failedInARow = 0;

  /** The step after `context.step`; null when it was skipped, `done` false when the loader was closed under it. @throws HdError HD_DIVERGED, HD_MEMORY, HD_DATA_… */
  async take(context: TrainContext, input: StepInput): Promise<StepOutput | null> {
    const { session, loader, recipe, step, faults } = context;
    faults.at('step', step);
    const unwatch = watchLoader(
      () => tellStatistics(context),
      (message) => context.emit({ type: 'warning', message }),
    );
    try {
      const output = await session.step(loader, {
        ...input,
        accumulate: this.#accumulate,
        fault: faults.pretended('step', step),
      });
      if (!output.done) return output;
      this.#failedInARow = 0;
      this.#noteMemory(context, output.accumulate);
      return output;
    } catch (error) {
      if (!(error instanceof HdError) || error.code !== 'HD_DIVERGED') throw error;
      this.#failedInARow += 1;
      const { onDiverged, maxDiverged } = recipe.train;
      if (onDiverged === 'stop') throw await withDump(context, input, error);
      if (this.#failedInARow >= maxDiverged) {
        const message = `${this.#failedInARow} steps in a row were not finite; the last: ${error.message}`;
        throw await withDump(context, input, new HdError(error.code, message, error.where));
      }
      await this.#moveOn(context, error, onDiverged);
      return null;
    } finally {
      unwatch();
    }
  }

  state() {
    return { accumulate: this.#accumulate };
  }

  restore(state: unknown) {
    this.#accumulate = (state as { accumulate: number }).accumulate;
  }

  #noteMemory({ recipe, emit }: TrainContext, accumulate: number): void {
    const before = this.#accumulate || recipe.train.accumulate;
    if (accumulate <= before) return;
    this.#accumulate = accumulate;
    const { batch } = recipe.train;
    emit({
      type: 'warning',
      message: `out of memory: from here on the batch of ${batch} is cut into ${accumulate} micro-batches instead of ${before}; the effective batch stays (norms that use batch statistics see less at once). Set train.accumulate=${accumulate}, or a smaller data.size`,
    });
  }

  async #moveOn(context: TrainContext, error: HdError, policy: 'skip' | 'rollback'): Promise<void> {
    const checkpoint = policy === 'rollback' ? context.folder.latest() : null;
    if (checkpoint) await context.session.restore(checkpoint.path);
    context.emit({
      type: 'diverged',
      step: context.step + 1,
      message: error.message,
      where: error.where,
      inARow: this.#failedInARow,
      action: checkpoint ? 'rollback' : 'skip',
      ...(checkpoint && { to: checkpoint.state.step }),
    });
  }
}

/** Leaves all that `hdtrain probe --dump` needs in the run folder; the error says where, and the images. */
async function withDump(context: TrainContext, input: StepInput, error: HdError): Promise<HdError> {
  const { folder, session, step, timeline } = context;
  const dump = folder.file('diverged');
  try {
    rmSync(dump, { recursive: true, force: true });
    mkdirSync(dump);
    await session.save(dump);
    copyFileSync(folder.file('recipe.yaml'), join(dump, 'recipe.yaml'));
    const place = {
      epoch: Math.floor(step / timeline.stepsPerEpoch),
      stepInEpoch: step % timeline.stepsPerEpoch,
    };
    const { message, where } = error;
    native().writeFile(
      join(dump, 'dump.json'),
      `${JSON.stringify({ format: 1, step, ...place, message, where, input }, null, 1)}\n`,
    );
  } catch (failed) {
    context.emit({
      type: 'warning',
      message: `cannot keep the batch in ${dump}: ${(failed as Error).message}`,
    });
    return error;
  }
  // A program's own pictures are not there for the command line.
  const look =
    context.recipe.data.format === 'source'
      ? `the weights before it are in ${dump}, the images are those of the source`
      : `look at the batch with: npx hdtrain probe --dump ${dump}`;
  return new HdError(error.code, `${error.message}; ${look}`, error.where, { cause: error });
}
