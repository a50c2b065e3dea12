/** Batches of pictures, as native/data/loader.h makes them. */

/** A picture that could not be used, and why. */
export interface BadSample {
  image: number;
  file: string;
  code: string;
  message: string;
}

export interface LoaderStatistics {
  waitSeconds: number;
  images: number;
  copiedBytes: number;
  badSamples: number;
  /** Those that no earlier call has named. */
  newBadSamples: BadSample[];
  /** Seconds that somebody has been waiting for a batch by now; 0 when nobody is. */
  waiting: number;
  /** Files that decode threads are at. */
  reading: string[];
  /** Pictures found and not found in `data.cache`, its size, and why it keeps nothing more ('' while it does). */
  cache: { hits: number; misses: number; bytes: number; closed: string };
}

export interface NativeLoader {
  readonly stepsPerEpoch: number;
  readonly slots: number;
  readonly canvases: [height: number, width: number][];
  begin(epoch: number, step: number): void;
  /**
   * The next batch as views of slot memory (nothing is copied), or null at the end of an evaluation pass. The view is
   * detached by the next call of next(), release(), begin() or close().
   */
  next(): Promise<BatchView | null>;
  release(): void;
  /** Draws picture `index` of the batch that next() gave, with its targets, to a JPEG or PNG. */
  draw(index: number, out: string): void;
  /** Of a closed loader the last. */
  statistics(): LoaderStatistics;
  close(): void;
}

export interface BatchView {
  slot: number;
  epoch: number;
  step: number;
  count: number;
  height: number;
  width: number;
  /** uint8 RGB, N×H×W×3. */
  pixels: ArrayBuffer;
  images: {
    image: number;
    position: number;
    /** Valid pixels; the rest of the canvas is padding. */
    width: number;
    height: number;
    /** x1, y1, x2, y2 in canvas pixels. */
    boxes: Float32Array;
    labels: Int32Array;
  }[];
}
