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
import { detectOptions } from './setup.ts';

export interface EvaluationResult {
  metrics: Record<string, unknown>;
  evaluator: NativeEvaluator;
  seconds: number;
  /** Pictures that could not be read, those that an earlier pass of this loader told left out: nothing is found on them. */
  failed: BadSample[];
}

/** Who wants to know of a pass. */
export interface Watch {
  /** Called after each batch. */
  progress?: ((done: number) => void) | undefined;
  /** Told when memory runs out: the pass goes on with fewer pictures at once. */
  warn?: ((message: string) => void) | undefined;
  /** Told of pictures that could not be read; `total`: of all passes of this loader. */
  failed?: ((samples: BadSample[], total: number) => void) | undefined;
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
  { progress, warn, failed: tell, fault }: Watch = {},
): Promise<EvaluationResult> {
  const start = performance.now();
  const evaluator = new (native().Evaluator)(dataset);
  const options = detectOptions(recipe);
  loader.begin(0, 0);
  const failed: BadSample[] = [];
  let done = 0;
  for (let count = -1; count !== 0; ) {
    const trouble = fault?.() ?? '';
    const output = await session.detect(
      loader,
      evaluator,
      trouble === '' ? options : { ...options, fault: trouble },
    );
    if (output.atOnce !== undefined) warn?.(shortOfMemory(output.atOnce));
    const { newBadSamples, badSamples } = loader.statistics();
    if (newBadSamples.length > 0) tell?.(newBadSamples, badSamples);
    failed.push(...newBadSamples);
    count = output.images;
    done += count;
    progress?.(done);
  }
  const { metric, interpolation } = recipe.eval;
  const metrics = await evaluator.summarize({ metric, interpolation });
  return { metrics, evaluator, seconds: (performance.now() - start) / 1000, failed };
}

export function shortOfMemory(atOnce: number): string {
  return `out of memory: from here on pictures are detected ${atOnce} at once; the results stay the same. A smaller data.size needs less`;
}
