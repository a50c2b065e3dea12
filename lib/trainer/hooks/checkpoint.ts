/**
 * Saves the run every `checkpoint.epochs` and `checkpoint.seconds`, when it was measured best, at its end, and when it is
 * interrupted. A disk that takes nothing more does not end the run: the last checkpoint stays as it is, and saving is
 * tried again.
 */
import { join } from 'node:path';
import { HdError } from '../../error.ts';
import { native } from '../../native.ts';
import type { TrainContext } from '../context.ts';
import { environmentOf, recipeDigest, teachersDigest } from '../digest.ts';
import type { FaultPoint } from '../faults.ts';
import { type CheckpointState, checkpointFormat, checkpointName } from '../run-folder.ts';
import { classNames } from '../setup.ts';
import type { Hook } from './hook.ts';

/** Seconds until a save that failed is tried again. */
const retryAfter = 10;
/** What the native side and Node call a disk that is full, gone or read-only. */
const diskTrouble = new Set(['HD_DISK_FULL', 'HD_IO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EFBIG', 'EACCES']);

export function checkpointHook(isBest: () => boolean): Hook {
  let savedStep = 0;
  let savedAt = performance.now();

  let failed = 0;
  let failedAt = 0;

  async function write(context: TrainContext): Promise<string> {
    const { folder, session, recipe, faults, step } = context;
    const at = (point: FaultPoint) => faults.at(point, step);
    const draft = folder.draftCheckpoint();
    try {
      at('save.begin');
      await session.save(draft);
      const state: CheckpointState = {
        format: checkpointFormat,
        step,
        epoch: context.epoch,
        classes: classNames(recipe, context.trainSet),
        environment: environmentOf(recipe),
        digests: {
          recipe: recipeDigest(recipe),
          data: context.trainSet.digest,
          teachers: await teachersDigest(recipe),
        },
        hooks: context.hookStates(),
      };
      native().writeFile(join(draft, 'state.json'), `${JSON.stringify(state, null, 1)}\n`);
      const { best, keep } = recipe.checkpoint;
      const path = folder.commit(draft, checkpointName(step), { best: best && isBest(), keep, at });
      at('save.end');
      return path;
    } catch (error) {
      folder.discard(draft);
      throw error;
    }
  }

  /** `last`: nothing comes after that could make up for a disk that does not take it. */
  async function save(context: TrainContext, last = false): Promise<void> {
    const start = performance.now();
    try {
      const path = await write(context);
      savedStep = context.step;
      savedAt = performance.now();
      if (failed > 0)
        context.emit({
          type: 'warning',
          message: `saving works again: ${path} after ${failed} ${failed === 1 ? 'failure' : 'failures'}`,
        });
      failed = 0;
      context.emit({ type: 'checkpoint', step: context.step, path, seconds: (savedAt - start) / 1000 });
    } catch (error) {
      if (last || !isDiskTrouble(error)) throw error;
      failed += 1;
      failedAt = performance.now();
      context.emit({
        type: 'warning',
        message: `not saved at step ${context.step} (${(error as Error).message}): training goes on, the last checkpoint stays, the next try is in ${retryAfter} s; free space or end the run with Ctrl-C`,
      });
    }
  }

  function due(context: TrainContext): boolean {
    const { epochs, seconds } = context.recipe.checkpoint;
    const every = Math.max(1, Math.round(epochs * context.timeline.stepsPerEpoch));
    if (failed > 0) return performance.now() - failedAt > retryAfter * 1000;
    const bySteps = epochs > 0 && context.step % every === 0;
    return bySteps || (seconds > 0 && performance.now() - savedAt > seconds * 1000);
  }

  return {
    name: 'checkpoint',
    async onStart(context) {
      savedAt = performance.now();
      // Now, while the files are there: one that goes away later must not cost a checkpoint.
      await teachersDigest(context.recipe);
      const own = context.step === 0 || context.folder.latest()?.state.step === context.step;
      if (own) savedStep = context.step;
      else await save(context); // of another folder: from now on this run stands by itself
    },
    async afterStep(context) {
      // The last step of an epoch or run is saved by afterEpoch, when its evaluation is part of the state.
      const { stepsPerEpoch, totalSteps } = context.timeline;
      const ends = context.step % stepsPerEpoch === 0 || context.step === totalSteps;
      if (!ends && due(context)) await save(context);
    },
    async afterEpoch(context) {
      const ends = context.step === context.timeline.totalSteps || context.stopped !== null;
      // The best is kept whether or not its step is due.
      const best = context.recipe.checkpoint.best && isBest();
      if (due(context) || best || ends) await save(context);
    },
    async onEnd(context) {
      if (context.status === 'interrupted' && context.step !== savedStep) await save(context, true);
      if (context.status === 'done') native().fsyncPath(context.folder.path);
    },
  };
}

function isDiskTrouble(error: unknown): boolean {
  const code = error instanceof HdError ? error.code : (error as NodeJS.ErrnoException).code;
  return code !== undefined && diskTrouble.has(code);
}
