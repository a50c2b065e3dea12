/**
 * The session of a run, and with its training data for verbs that look at training without running it (probe, find-lr,
 * bench).
 */
import { type NativeDataset, type NativeLoader, type NativeSession, native } from '../native.ts';
import type { Recipe } from '../recipe/schema/root.ts';
import { classCount, openData, openLoader, sessionOptions, type Tell } from './setup.ts';
import { requireWeights } from './start.ts';
import { classRemarks, distillOptions, type TeacherSummary } from './teachers.ts';

export interface Training {
  session: NativeSession;
  loader: NativeLoader;
  trainSet: NativeDataset;
  close(): void;
}

/**
 * The session that learns, with its teachers. Names in the recipe that stand for nothing are refused here, before any
 * step is lost to them.
 *
 * @throws HdError HD_RECIPE_VALUE, HD_RECIPE_TEACHER, HD_WEIGHTS_…
 */
export async function openSession(
  recipe: Recipe,
  trainSet: NativeDataset,
): Promise<{ session: NativeSession; teachers: TeacherSummary[]; warnings: string[] }> {
  const distillation = await distillOptions(recipe, trainSet.classes);
  const session = await native().createSession({
    ...sessionOptions(recipe, classCount(recipe, trainSet), true),
    lossWeights: Object.keys(recipe.train.lossWeights),
    ...(distillation && { teachers: distillation.teachers, distill: distillation.distill }),
  });
  return {
    session,
    teachers: distillation?.summaries ?? [],
    warnings: classRemarks(recipe, trainSet.classes),
  };
}

/** Data, network and teachers as a run would have them at its first step; `loader` has not begun. */
export async function openTraining(recipe: Recipe, tell?: Tell): Promise<Training> {
  const { trainSet } = await openData(recipe, tell);
  const { session } = await openSession(recipe, trainSet);
  try {
    const { weights, init } = recipe.model;
    if (weights) {
      requireWeights(weights);
      await session.loadWeights(weights, init);
    }
    const loader = openLoader(recipe, trainSet, true, session.divisor);
    return {
      session,
      loader,
      trainSet,
      close() {
        loader.close();
        session.close();
      },
    };
  } catch (error) {
    session.close();
    throw error;
  }
}
