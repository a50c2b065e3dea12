/** Detection on batch after batch: the loop of evaluation, of teachers that are verified, and of `landscape`. */
import type { BadSample, DetectOutput, NativeLoader } from '../native.ts';
import { closeOnAbort } from './interrupt.ts';
import { watchLoader } from './watch.ts';

/** Who wants to know of a pass. */
export interface Watch {
  /** Called after each batch, and at the end of the pass. */
  progress?: ((done: number) => void) | undefined;
  /** Told when memory runs out, and the pass goes on with fewer pictures at once; and when pictures do not come. */
  warn?: ((message: string) => void) | undefined;
  /** Told of pictures that could not be read; `total`: of all passes of this loader. */
  failed?: ((samples: BadSample[], total: number) => void) | undefined;
  /** Ends the pass with its reason after the batch that is under way. */
  signal?: AbortSignal | undefined;
}

/**
 * Calls `detect`, which takes the loader's next batch, until the pass ends or `enough` pictures are done; how many were, and
 * which of them could not be read. `loader` must be in evaluation mode.
 *
 * @throws HdError HD_MEMORY when a single picture is too much; the reason of `signal`
 */
export async function detectAll(
  loader: NativeLoader,
  detect: () => Promise<DetectOutput>,
  {
    progress,
    warn,
    failed: tell,
    signal,
    enough = Number.POSITIVE_INFINITY,
  }: Watch & { enough?: number } = {},
): Promise<{ done: number; failed: BadSample[] }> {
  loader.begin(0, 0);
  const failed: BadSample[] = [];
  let done = 0;
  const statistics = () => {
    const read = loader.statistics();
    if (read.newBadSamples.length > 0) tell?.(read.newBadSamples, read.badSamples);
    failed.push(...read.newBadSamples);
    return read;
  };
  const unwatch = warn && watchLoader(statistics, warn);
  const forget = signal && closeOnAbort(loader, signal);
  try {
    for (let count = -1; count !== 0 && done < enough; done += count) {
      const { images, atOnce } = await detect();
      if (atOnce !== undefined)
        warn?.(
          `out of memory: from here on pictures are detected ${atOnce} at once; the results stay the same. A smaller data.size needs less`,
        );
      statistics();
      signal?.throwIfAborted();
      count = images;
      progress?.(done + count);
    }
  } finally {
    forget?.();
    unwatch?.();
  }
  return { done, failed };
}
