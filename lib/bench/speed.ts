/** How fast a trained detector is: each call's time, cut into network, post-processing and waiting for pictures. */
import type { Detector } from '../detector.ts';
import { type NativeDataset, native } from '../native.ts';
import { threadsOf } from '../trainer/digest.ts';
import { detectOptions, openLoader } from '../trainer/setup.ts';
import { openSource } from '../trainer/source.ts';

/** Calls before the first that counts: weights are packed and memory is touched by them. */
export const warmUpCalls = 5;
export const maxImages = 2000;

/** Times of one kind, in milliseconds a call. */
export interface Latency {
  mean: number;
  p25: number;
  p50: number;
  p75: number;
  p90: number;
  p99: number;
  /** Images of all calls over their time. */
  imagesPerSecond: number;
}

export interface Speed {
  images: number;
  batch: number;
  threads: number;
  /** The network alone, on a picture that lies ready. */
  network: Latency;
  /** With decoding of boxes and suppression. */
  withPostProcessing: Latency;
  /** From call to call, with whatever it waits for pictures that are read and decoded on other threads meanwhile. */
  withDecoding: Latency;
}

/** Times `dataset` once, at most {@link maxImages} of it, `batch` images a call. */
export async function measureSpeed(
  detector: Detector,
  dataset: NativeDataset,
  batch: number,
): Promise<Speed> {
  const { session } = detector;
  const recipe = { ...detector.recipe, train: { ...detector.recipe.train, batch } };
  const loader = openLoader(recipe, dataset, false, session.divisor, true);
  const evaluator = new (native().Evaluator)(dataset);
  const options = detectOptions(recipe);
  try {
    loader.begin(0, 0);
    for (let call = 0; call < warmUpCalls; ++call) {
      if ((await session.detect(loader, evaluator, options)).images === 0) loader.begin(0, 0);
    }
    loader.begin(0, 0);
    const calls: { images: number; network: number; post: number; wall: number }[] = [];
    let before = await session.profile();
    for (let done = 0; done < maxImages; ) {
      const start = performance.now();
      const { images } = await session.detect(loader, evaluator, options);
      const wall = performance.now() - start;
      if (images === 0) break;
      const after = await session.profile();
      const spent = (part: string) => 1000 * ((after[part] ?? 0) - (before[part] ?? 0));
      calls.push({ images, network: spent('detectForward'), post: spent('detectPost'), wall });
      before = after;
      done += images;
    }
    const images = calls.reduce((sum, call) => sum + call.images, 0);
    return {
      images,
      batch,
      threads: threadsOf(recipe),
      network: latency(
        calls.map(({ network }) => network),
        images,
      ),
      withPostProcessing: latency(
        calls.map(({ network, post }) => network + post),
        images,
      ),
      withDecoding: latency(
        calls.map(({ wall }) => wall),
        images,
      ),
    };
  } finally {
    loader.close();
  }
}

/** Pictures of stripes in memory, of the size that the network was trained for; little is found on them. */
export function stripes({ recipe, classes }: Detector, length: number): NativeDataset {
  const { size } = recipe.data;
  const [width, height] = Array.isArray(size) ? size : [size, size];
  const get = (index: number) => {
    const image = new Uint8Array(width * height * 3);
    for (let i = 0; i < image.length; ++i) image[i] = (i >> 4) * (1 + (index % 7));
    return { image, width, height, boxes: [], labels: [] };
  };
  const sizes = Array.from({ length }, (): [number, number] => [width, height]);
  return openSource({ length, classes, sizes, get }, { training: false }).dataset;
}

/** `times` in milliseconds, one a call; `images` of all of them. */
export function latency(times: readonly number[], images: number): Latency {
  const total = times.reduce((sum, time) => sum + time, 0);
  return {
    mean: total / times.length,
    p25: percentile(times, 0.25),
    p50: percentile(times, 0.5),
    p75: percentile(times, 0.75),
    p90: percentile(times, 0.9),
    p99: percentile(times, 0.99),
    imagesPerSecond: (1000 * images) / total,
  };
}

/** The smallest of `values` that a share of at least `share` does not exceed (nearest rank). NaN without values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
