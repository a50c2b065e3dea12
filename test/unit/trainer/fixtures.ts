/** Recipes that run in a blink, and a run's context without a training. */
import { type NativeDataset, type NativeSession, native } from '../../../lib/native.ts';
import { type Recipe, type RecipeInput, resolveRecipe } from '../../../lib/recipe/index.ts';
import type { TrainContext } from '../../../lib/trainer/context.ts';
import type { TrainEvent } from '../../../lib/trainer/events.ts';
import { Faults } from '../../../lib/trainer/faults.ts';
import type { RunFolder } from '../../../lib/trainer/run-folder.ts';
import { classCount, classNames, openSplit, sessionOptions } from '../../../lib/trainer/setup.ts';
import { exportMetadata } from '../../../lib/trainer/start.ts';

export type Sections = { [Name in keyof RecipeInput]?: Partial<RecipeInput[Name]> };

const tinyModel = { backbone: 'resnet18', neckChannels: 32, headChannels: 32, headConvs: 1 };
const tinyData = { format: 'synthetic', size: 64, seed: 3, train: { count: 12 }, val: { count: 4 } };

/** The tiny recipe with fields replaced section by section. */
export function recipeOf({ model, data, train, ...more }: Sections = {}): Recipe {
  const input = {
    ...more,
    model: { ...tinyModel, ...model },
    data: { ...tinyData, ...data },
    train: { epochs: 3, batch: 4, threads: 1, ...train },
  };
  return resolveRecipe(input as RecipeInput).recipe;
}

export async function openTrain(recipe: Recipe): Promise<NativeDataset> {
  const dataset = await openSplit(recipe, 'train');
  if (!dataset) throw new Error('the tiny recipe has training pictures');
  return dataset;
}

/** A session that would have to be asked for by name: methods that a test does not give fail when they are called. */
export function fakeSession(given: Partial<NativeSession>): NativeSession {
  return new Proxy(given, {
    get(target, name) {
      if (name in target) return target[name as keyof NativeSession];
      throw new Error(`the test did not expect session.${String(name)}`);
    },
  }) as NativeSession;
}

/** What hooks see; events land in `events`. */
export function contextOf(
  recipe: Recipe,
  given: Partial<TrainContext> & { trainSet: NativeDataset },
): TrainContext & { events: TrainEvent[] } {
  const events: TrainEvent[] = [];
  return {
    recipe,
    folder: {} as RunFolder,
    session: fakeSession({}),
    valSet: null,
    loader: {} as TrainContext['loader'],
    stream: null,
    timeline: { stepsPerEpoch: 3, totalSteps: 9 },
    faults: new Faults(recipe.debug.fault),
    signal: new AbortController().signal,
    step: 0,
    epoch: 0,
    status: 'running',
    stopped: null,
    stop(why) {
      this.stopped ??= why;
    },
    emit: (event) => events.push(event),
    hookStates: () => ({}),
    events,
    ...given,
  };
}

/** student.safetensors of a run that never trained: as good for loading, and made in no time. */
export async function writeStudent(path: string, recipe: Recipe): Promise<void> {
  const dataset = await openTrain(recipe);
  const session = await native().createSession(sessionOptions(recipe, classCount(recipe, dataset), true));
  await session.exportWeights(path, exportMetadata(recipe, classNames(recipe, dataset)));
  session.close();
}
