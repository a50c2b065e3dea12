/** One pass over a data set: detections into a native evaluator, numbers out. Used by training and by `eval`. */
import {
  type BadSample,
  type NativeDataset,
  type NativeEvaluator,
  type NativeLoader,
  type NativeSession,
  native,
} from '../native.ts';
import type { Recipe } from '../recipe/schema/root.ts';
import { detectAll, type Watch } from './detect.ts';
import { detectOptions } from './setup.ts';

export interface EvaluationResult {
  metrics: Record<string, unknown>;
  evaluator: NativeEvaluator;
  seconds: number;
  /** Pictures that could not be read, those that an earlier pass of this loader told left out: nothing is found on them. */
  failed: BadSample[];
}

/** Who wants to know of a pass, and what it should pretend. */
export interface EvaluationWatch extends Watch {
  /** Trouble to pretend in the next batch. */
  fault?: (() => string) | undefined;
}

/**
 * `loader` must be in evaluation mode.
 *
 * @throws HdError HD_MEMORY when a single picture is too much
 */
export async function evaluatePass(
  recipe: Recipe,
  session: NativeSession,
  dataset: NativeDataset,
  loader: NativeLoader,
  { fault, ...watch }: EvaluationWatch = {},
): Promise<EvaluationResult> {
  const start = performance.now();
  const evaluator = new (native().Evaluator)(dataset);
  const options = detectOptions(recipe);
  const next = () => {
    const trouble = fault?.() ?? '';
    return session.detect(loader, evaluator, trouble === '' ? options : { ...options, fault: trouble });
  };
  const failed: BadSample[] = [];
  await detectAll(loader, next, {
    ...watch,
    failed(samples, total) {
      failed.push(...samples);
      watch.failed?.(samples, total);
    },
  });
  const { metric, interpolation } = recipe.eval;
  const metrics = await evaluator.summarize({ metric, interpolation });
  return { metrics, evaluator, seconds: (performance.now() - start) / 1000, failed };
}
