/** Times a trained detector, picture by picture: what somebody who deploys it waits for. */
import { Detector } from '../detector.ts';
import { type NativeDataset, native } from '../native.ts';
import { threadsOf } from '../trainer/digest.ts';
import { detectOptions, openLoader } from '../trainer/setup.ts';
import { openSource } from '../trainer/source.ts';

/** Seconds; a quantile is the smallest value that the given share of pictures does not exceed. */
export interface Latency {
  mean: number;
  p50: number;
  p90: number;
  p99: number;
}

export interface SpeedResult {
  images: number;
  batch: number;
  threads: number;
  canvases: [height: number, width: number][];
  /** The network alone. */
  network: Latency;
  /** The network and what makes detections of its maps. */
  detection: Latency;
  /** All of it: also waiting for the decoder, where files are read. */
  whole: Latency;
  /** Pictures a second, by what the three hold. */
  fps: { network: number; detection: number; whole: number };
}

export interface SpeedOptions {
  weights: string;
  /** Files to detect on, again and again; without, stripes in memory, on which little is found. */
  files?: string[];
  images: number;
  batch: number;
  threads?: number | undefined;
}

/** Runs that come before the timed ones: weights are prepared, caches filled. */
const warmUp = 5;

/** @throws HdError HD_WEIGHTS_… */
export async function benchSpeed({
  weights,
  files,
  images,
  batch,
  threads,
}: SpeedOptions): Promise<SpeedResult> {
  const detector = await Detector.load(weights, { ...(threads && { threads }) });
  try {
    const { session, classes } = detector;
    const recipe = { ...detector.recipe, train: { ...detector.recipe.train, batch } };
    const dataset = files
      ? await native().openDataset({ format: 'files', files, classes })
      : stripes(detector, images);
    const evaluator = new (native().Evaluator)(dataset);
    const loader = openLoader(recipe, dataset, false, session.divisor);
    try {
      const options = detectOptions(recipe);
      const samples: { network: number; detection: number; whole: number }[] = [];
      let done = -warmUp * batch;
      loader.begin(0, 0);
      let before = await session.profile();
      while (done < images) {
        const start = performance.now();
        const count = await session.detect(loader, evaluator, options);
        const whole = (performance.now() - start) / 1000;
        if (count === 0) {
          loader.begin(0, 0); // the set is shorter than what is asked for
          continue;
        }
        const after = await session.profile();
        const spent = (part: string) => (after[part] ?? 0) - (before[part] ?? 0);
        const network = spent('detectForward');
        const detection = network + spent('detectPost');
        before = after;
        done += count;
        if (done > 0)
          samples.push({ network: network / count, detection: detection / count, whole: whole / count });
      }
      const of = (pick: (sample: (typeof samples)[number]) => number) => latencyOf(samples.map(pick));
      const [network, detection, whole] = [of((s) => s.network), of((s) => s.detection), of((s) => s.whole)];
      return {
        images: samples.length * batch,
        batch,
        threads: threadsOf(recipe),
        canvases: loader.canvases,
        network,
        detection,
        whole,
        fps: { network: 1 / network.mean, detection: 1 / detection.mean, whole: 1 / whole.mean },
      };
    } finally {
      loader.close();
    }
  } finally {
    detector.close();
  }
}

/** Pictures of stripes of the size that the network was trained for. */
function stripes({ recipe, classes }: Detector, length: number): NativeDataset {
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

function latencyOf(values: readonly number[]): Latency {
  const sorted = [...values].sort((a, b) => a - b);
  const quantile = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return {
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    p50: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
  };
}
