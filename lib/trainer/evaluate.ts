/** One pass over a data set: detections into a native evaluator, numbers out. Used by training and by `eval`. */
import {
  type NativeDataset,
  type NativeEvaluator,
  type NativeLoader,
  type NativeSession,
  native,
} from '../native.ts';
import type { Recipe } from '../recipe/schema/root.ts';
import { detectOptions } from './setup.ts';

export interface EvaluationResult {
  metrics: Record<string, unknown>;
  evaluator: NativeEvaluator;
  seconds: number;
}

/** `loader` must be in evaluation mode. `progress` is called after each batch. */
export async function evaluatePass(
  recipe: Recipe,
  session: NativeSession,
  dataset: NativeDataset,
  loader: NativeLoader,
  progress: (done: number) => void = () => {},
): Promise<EvaluationResult> {
  const start = performance.now();
  const evaluator = new (native().Evaluator)(dataset);
  const options = detectOptions(recipe);
  loader.begin(0, 0);
  let done = 0;
  for (let count = -1; count !== 0; done += count) {
    count = await session.detect(loader, evaluator, options);
    progress(done + count);
  }
  const { metric, interpolation } = recipe.eval;
  const metrics = await evaluator.summarize({ metric, interpolation });
  return { metrics, evaluator, seconds: (performance.now() - start) / 1000 };
}
