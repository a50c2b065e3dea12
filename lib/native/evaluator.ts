/** Detections gathered over a data set, and what they are worth. */

export type ErrorKind = 'classification' | 'localization' | 'both' | 'duplicate' | 'background' | 'missed';

/** Where detections go wrong; native/eval/diagnosis.h says how each number is made. */
export interface Diagnosis {
  /** Least overlap of a detection that is right; least score in `confusion` and `sizes`. */
  iou: number;
  score: number;
  /** COCO's AP at `iou`; -1 without truths. */
  ap: number;
  /** By class: precision at recall 0, 0.01 … 1, and the score where that recall is reached; -1 without truths. */
  curves: { name: string; precision: number[]; scores: number[] }[];
  mean: { precision: number[]; scores: number[] };
  /** Rows are true classes, columns what they were taken for; the last of both is the background. */
  confusion: number[][];
  /** How many there are, and how much AP would rise without them. */
  errors: Record<ErrorKind, number>;
  costs: Record<ErrorKind, number>;
  sizes: { name: 'small' | 'medium' | 'large'; truths: number; found: number }[];
}

export interface NativeEvaluator {
  summarize(options: Record<string, unknown>): Promise<Record<string, unknown>>;
  diagnose(options: { iou?: number; score?: number; threads?: number }): Promise<Diagnosis>;
  detections(image: number): { boxes: Float32Array; scores: Float32Array; labels: Int32Array };
  writeResults(path: string): Promise<void>;
  clear(): void;
}
