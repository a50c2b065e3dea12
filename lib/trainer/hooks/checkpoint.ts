/** Saves the run every `checkpoint.epochs` and `checkpoint.seconds`, at its end, and when it is interrupted. */
import { join } from 'node:path';
import { native } from '../../native.ts';
import type { TrainContext } from '../context.ts';
import { environmentOf, recipeDigest, teachersDigest } from '../digest.ts';
import { type CheckpointState, checkpointName } from '../run-folder.ts';
import type { Hook } from './hook.ts';

export function checkpointHook(isBest: () => boolean): Hook {
  let savedStep = -1;
  let savedAt = performance.now();

  async function save(context: TrainContext): Promise<void> {
    if (context.step === savedStep) return;
    const start = performance.now();
    const draft = context.folder.draftCheckpoint();
    await context.session.save(draft);
    const state: CheckpointState = {
      format: 1,
      step: context.step,
      epoch: context.epoch,
      environment: environmentOf(context.recipe),
      digests: {
        recipe: recipeDigest(context.recipe),
        data: context.trainSet.digest,
        teachers: await teachersDigest(context.recipe),
      },
      hooks: context.hookStates(),
    };
    native().writeFile(join(draft, 'state.json'), `${JSON.stringify(state, null, 1)}\n`);
    const path = context.folder.commit(draft, checkpointName(context.step), {
      best: context.recipe.checkpoint.best && isBest(),
      keep: context.recipe.checkpoint.keep,
    });
    savedStep = context.step;
    savedAt = performance.now();
    context.emit({ type: 'checkpoint', step: context.step, path, seconds: (savedAt - start) / 1000 });
  }

  function due(context: TrainContext): boolean {
    const { epochs, seconds } = context.recipe.checkpoint;
    const every = Math.max(1, Math.round(epochs * context.timeline.stepsPerEpoch));
    const bySteps = epochs > 0 && context.step % every === 0;
    return bySteps || (seconds > 0 && performance.now() - savedAt > seconds * 1000);
  }

  return {
    name: 'checkpoint',
    async onStart(context) {
      savedStep = context.step > 0 ? context.step : -1;
      savedAt = performance.now();
      // Now, while the files are there: one that goes away later must not cost a checkpoint.
      await teachersDigest(context.recipe);
    },
    async afterStep(context) {
      // The last step of an epoch is saved by afterEpoch, when its evaluation is part of the state.
      if (context.step % context.timeline.stepsPerEpoch !== 0 && due(context)) await save(context);
    },
    async afterEpoch(context) {
      if (due(context) || context.step === context.timeline.totalSteps) await save(context);
    },
    async onEnd(context) {
      if (context.status === 'interrupted' && context.step > 0) await save(context);
      if (context.status === 'done') native().fsyncPath(context.folder.path);
    },
  };
}
