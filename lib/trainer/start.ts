/** What happens before the first step and after the last: timeline, weights, checkpoints, names. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { HdError } from '../error.ts';
import type { LoaderStatistics, MatchReport, NativeLoader } from '../native.ts';
import { loadRecipe } from '../recipe/index.ts';
import type { Recipe } from '../recipe/schema/root.ts';
import { type Change, differences } from '../report/run/differences.ts';
import { parseStatus } from '../report/run/status.ts';
import type { TrainContext } from './context.ts';
import { decisive, environmentOf, recipeDigest, teachersDigest } from './digest.ts';
import type { Hook } from './hooks/hook.ts';
import type { Checkpoint, RunFolder } from './run-folder.ts';
import type { Timeline } from './schedule.ts';
import { classNames } from './setup.ts';

export function timelineOf(recipe: Recipe, loader: NativeLoader): Timeline {
  const { stepsPerEpoch } = loader;
  const { epochs, steps } = recipe.train;
  return { stepsPerEpoch, totalSteps: steps ?? (epochs ?? 12) * stepsPerEpoch };
}

/** runs/<recipe name>-<n> with the first free n, under the current directory. */
export function nextRunFolder(name: string): string {
  for (let n = 1; ; ++n) {
    const folder = resolve('runs', `${name}-${n}`);
    if (!existsSync(folder)) return folder;
  }
}

/** @throws HdError HD_WEIGHTS_MISSING */
export function requireWeights(path: string): void {
  if (existsSync(path)) return;
  throw new HdError(
    'HD_WEIGHTS_MISSING',
    `expected a weight file but ${path} does not exist: correct the path (those of --set are relative to the current directory)`,
    path,
  );
}

/** Loads `model.weights` when the recipe names some. */
export async function initialWeights({
  recipe,
  session,
}: TrainContext): Promise<(MatchReport & { path: string }) | undefined> {
  const { weights, init } = recipe.model;
  if (!weights) return undefined;
  requireWeights(weights);
  return { ...(await session.loadWeights(weights, init)), path: weights };
}

/**
 * Puts a checkpoint back into the session and the hooks. Refuses another model, training or data section; what only
 * touches bit-equality (build, CPU, precision, threads) becomes a warning.
 */
export async function restore(
  context: TrainContext,
  checkpoint: Checkpoint,
  hooks: Hook[],
  warnings: string[],
): Promise<void> {
  const { state, path } = checkpoint;
  const { recipe, session, trainSet } = context;
  if (state.digests.recipe !== recipeDigest(recipe)) {
    throw new HdError(
      'HD_RUN_RECIPE_CHANGED',
      `expected the recipe that ${path} was made with but received ${changesSince(path, recipe)}: put it back, or start a new run from its weights with model.weights`,
      path,
    );
  }
  if (state.digests.data !== trainSet.digest) {
    throw new HdError(
      'HD_RUN_DATA_CHANGED',
      `expected the data set that ${path} was made with but files, sizes or annotations have changed: start a new run from its weights with model.weights`,
      path,
    );
  }
  if (state.digests.teachers !== undefined && state.digests.teachers !== (await teachersDigest(recipe))) {
    throw new HdError(
      'HD_RUN_TEACHER_CHANGED',
      `expected the teachers that ${path} was made with but the content of a file has changed: put ${recipe.teachers.map(({ weights }) => weights).join(', ')} back, or start a new run from its weights with model.weights`,
      path,
    );
  }
  const now = environmentOf(recipe);
  for (const [key, value] of Object.entries(state.environment)) {
    const current = now[key as keyof typeof now];
    if (current !== value)
      warnings.push(
        `resumed with another ${key} (${current}, was ${value}): the run goes on, but not bit-equal to an uninterrupted one`,
      );
  }
  await session.restore(path);
  for (const hook of hooks) {
    const saved = state.hooks[hook.name];
    if (saved !== undefined) hook.restore?.(saved);
  }
}

/**
 * What is told when the process before wrote no last word into status.json: it was killed or has crashed, and nobody who
 * looks at the console now has seen it. Undefined after any other end.
 */
export function silentEnd(folder: RunFolder): string | undefined {
  const status = folder.file('status.json');
  const before = existsSync(status) ? parseStatus(readFileSync(status, 'utf8')) : null;
  if (before?.state !== 'running') return undefined;
  return `the process before this one ended without a word, some time after ${before.written}: it was killed, often by the system for want of memory (exit code 137), or has crashed; if it happens again lower train.batch or data.workers, or raise train.accumulate`;
}

/** What decides the weights and is not as in the recipe.yaml of the checkpoint's run. */
function changesSince(checkpoint: string, recipe: Recipe): string {
  const former = resolve(checkpoint, '..', '..', 'recipe.yaml');
  let changes: Change[] = [];
  try {
    changes = differences(decisive(loadRecipe(former).recipe), decisive(recipe));
  } catch {
    // A checkpoint that was moved elsewhere, or of another version.
  }
  if (changes.length === 0) return 'another model, data, train, teachers or distill section';
  const shown = changes.slice(0, 5);
  const more = changes.length > shown.length ? ` and ${changes.length - shown.length} more` : '';
  const text = shown.map(
    ({ field, before, after }) => `${field} = ${after || 'nothing'} (was ${before || 'nothing'})`,
  );
  return `${text.join(', ')}${more}`;
}

/** What student.safetensors says of itself: all that eval, predict and export need; nothing of time, place or run. */
export function exportMetadata(recipe: Recipe, classes: string[]): Record<string, string> {
  const { weights: _weights, init: _init, ...model } = recipe.model;
  return {
    format: 'hdtrain-student-1',
    model: JSON.stringify({ ...model, classes }),
    size: JSON.stringify(recipe.data.size),
    ...(!recipe.data.keepRatio && { keepRatio: 'false' }),
    eval: JSON.stringify(recipe.eval),
  };
}

/**
 * Writes student.safetensors: of a run that was stopped early the best weights, else the last. `step` in its metadata is that
 * of the weights, by which their metrics are found.
 */
export async function exportStudent(context: TrainContext): Promise<void> {
  const { folder, session, recipe, trainSet, faults, step } = context;
  const best = context.stopped === null ? null : folder.best();
  if (best) await session.restore(best.path);
  if (context.stopped !== null) {
    const kept = best ? `; ${folder.weights} holds the weights of step ${best.state.step}` : '';
    context.emit({ type: 'warning', message: `${context.stopped}${kept}` });
  }
  faults.at('export', step);
  await session.exportWeights(folder.weights, {
    ...exportMetadata(recipe, classNames(recipe, trainSet)),
    step: String(best?.state.step ?? step),
  });
}

const toldOfCache = new WeakSet<TrainContext>();

/**
 * The loader's statistics. Emits samples that could not be read since the last call, and once that the cache of pictures
 * keeps no more: the loader names a bad sample once, so a run asks it nowhere else.
 */
export function tellStatistics(context: TrainContext): LoaderStatistics {
  const statistics = context.loader.statistics();
  const { newBadSamples, badSamples, cache } = statistics;
  if (cache.closed !== '' && !toldOfCache.has(context)) {
    toldOfCache.add(context);
    const message = `data.cache keeps no more pictures: ${cache.closed}; the others are decoded each time`;
    context.emit({ type: 'warning', message });
  }
  if (newBadSamples.length > 0)
    context.emit({ type: 'bad-samples', split: 'train', samples: newBadSamples, total: badSamples });
  return statistics;
}
