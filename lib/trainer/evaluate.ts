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

/** Who wants to know of a pass. */
export interface Watch {
  /** Called after each batch. */
  progress?: ((done: number) => void) | undefined;
  /** Told when memory runs out: the pass goes on with fewer pictures at once. */
  warn?: ((message: string) => void) | undefined;
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
  { progress, warn, fault }: Watch = {},
): Promise<EvaluationResult> {
  const start = performance.now();
  const evaluator = new (native().Evaluator)(dataset);
  const options = detectOptions(recipe);
  loader.begin(0, 0);
  let done = 0;
  for (let count = -1; count !== 0; ) {
    const trouble = fault?.() ?? '';
    const output = await session.detect(
      loader,
      evaluator,
      trouble === '' ? options : { ...options, fault: trouble },
    );
    if (output.atOnce !== undefined) warn?.(shortOfMemory(output.atOnce));
    count = output.images;
    done += count;
    progress?.(done);
  }
  const { metric, interpolation } = recipe.eval;
  const metrics = await evaluator.summarize({ metric, interpolation });
  return { metrics, evaluator, seconds: (performance.now() - start) / 1000 };
}

export function shortOfMemory(atOnce: number): string {
  return `out of memory: from here on pictures are detected ${atOnce} at once; the results stay the same. A smaller data.size needs less`;
}
