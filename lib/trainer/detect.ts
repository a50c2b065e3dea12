/** Detection on batch after batch: the loop of evaluation, of teachers that are verified, and of `landscape`. */
import type { BadSample, DetectOutput, NativeLoader } from '../native.ts';

/** Who wants to know of a pass. */
export interface Watch {
  /** Called after each batch, and at the end of the pass. */
  progress?: ((done: number) => void) | undefined;
  /** Told when memory runs out: the pass goes on with fewer pictures at once. */
  warn?: ((message: string) => void) | undefined;
  /** Told of pictures that could not be read; `total`: of all passes of this loader. */
  failed?: ((samples: BadSample[], total: number) => void) | undefined;
}

/**
 * Calls `detect`, which takes the loader's next batch, until the pass ends or `enough` pictures are done; how many were.
 * `loader` must be in evaluation mode.
 *
 * @throws HdError HD_MEMORY when a single picture is too much
 */
export async function detectAll(
  loader: NativeLoader,
  detect: () => Promise<DetectOutput>,
  { progress, warn, failed, enough = Number.POSITIVE_INFINITY }: Watch & { enough?: number } = {},
): Promise<number> {
  loader.begin(0, 0);
  let done = 0;
  for (let count = -1; count !== 0 && done < enough; done += count) {
    const { images, atOnce } = await detect();
    if (atOnce !== undefined)
      warn?.(
        `out of memory: from here on pictures are detected ${atOnce} at once; the results stay the same. A smaller data.size needs less`,
      );
    if (failed) {
      const { newBadSamples, badSamples } = loader.statistics();
      if (newBadSamples.length > 0) failed(newBadSamples, badSamples);
    }
    count = images;
    progress?.(done + count);
  }
  return done;
}
