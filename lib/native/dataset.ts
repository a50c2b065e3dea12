/** A data set as the addon indexes it, and pictures that a program gives. */

export interface AnnotationView {
  /** x1, y1, x2, y2 in original pixels. */
  boxes: Float32Array;
  labels: Int32Array;
  /** 1 where crowd or difficult. */
  ignore: Uint8Array;
}

export interface ImageInfo extends AnnotationView {
  id: number;
  file: string;
  width: number;
  height: number;
}

export interface Finding {
  code: string;
  where: string;
  message: string;
}

/** Per-class counts, box sizes and findings of a data set; pictures decoded when `decode` was asked for. */
export interface DatasetReport {
  images: number;
  trainable: number;
  annotations: number;
  perClass: { name: string; images: number; objects: number; ignored: number; medianSide: number }[];
  /** Quantiles 0, .1, .25, .5, .75, .9, 1 of √area in pixels. */
  boxSides: number[];
  imageSizes: { width: number; height: number; count: number }[];
  findings: Finding[];
  findingCounts: Record<string, number>;
  /** Groups of file names with equal pixels. */
  duplicates: string[][];
}

export interface NativeDataset {
  readonly length: number;
  readonly classes: string[];
  readonly digest: string;
  image(index: number): ImageInfo;
  /** Annotation problems found while indexing: counts by code, and the first twenty. */
  findings(): { counts: Record<string, number>; first: Finding[] };
  report(options: { decode: boolean; threads: number }): Promise<DatasetReport>;
  /** Pairs of files of this and the other set with equal or nearly equal pixels. */
  leakage(
    other: NativeDataset,
    threads: number,
  ): Promise<{ file: string; other: string; distance: number }[]>;
}

/** What a user's source answers for one index; lib/trainer/source.ts makes it from what users give. */
export interface SourceAnswer extends SourceTruth {
  image: Uint8Array;
  width: number;
  height: number;
  done(): void;
}

export interface SourceTruth {
  boxes: Float32Array;
  labels: Int32Array;
  ignore: Uint8Array;
}

export interface SourceOptions {
  length: number;
  classes: string[];
  sizes?: [width: number, height: number][];
}
