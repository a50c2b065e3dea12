/** How fast pictures become batches: decode, resize, flip, into slots; the product's side of the loader benchmark. */
import { availableParallelism } from 'node:os';
import { type NativeLoader, native } from '../native.ts';

export interface DataBench {
  readonly images: number;
  /** Reads every picture once. */
  run(): Promise<{ seconds: number; imagesPerSecond: number; copiedBytes: number }>;
  close(): void;
}

export interface DataBenchOptions {
  files: readonly string[];
  /** Longest side of the resized picture; the canvas is the square of it. */
  size: number;
  batch: number;
  threads?: number;
}

export async function openDataBench({
  files,
  size,
  batch,
  threads = availableParallelism(),
}: DataBenchOptions): Promise<DataBench> {
  const dataset = await native().openDataset({ format: 'files', files: [...files], classes: ['object'] });
  // One pass over the files, as evaluation makes it, with the transforms of training.
  const loader: NativeLoader = new (native().Loader)(dataset, {
    repeat: 1,
    batch,
    threads,
    slots: 3,
    seed: 0,
    shuffle: false,
    evaluate: true,
    augment: [{ resize: { sizes: [[size, size]] } }, { flip: { probability: 0.5 } }],
    groupByAspect: false,
    canvas: { divisor: 32, maxCanvases: 4 },
    onBadSample: 'stop',
    maxBad: 0,
  });
  return {
    images: dataset.length,
    async run() {
      const start = performance.now();
      loader.begin(0, 0);
      let images = 0;
      for (let view = await loader.next(); view !== null; view = await loader.next()) {
        images += view.count;
        loader.release();
      }
      const seconds = (performance.now() - start) / 1000;
      return {
        seconds,
        imagesPerSecond: images / seconds,
        copiedBytes: loader.statistics().copiedBytes,
      };
    },
    close: () => loader.close(),
  };
}
