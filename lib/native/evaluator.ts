/** Detections gathered over a data set, and what they are worth. */

export type ErrorKind = 'classification' | 'localization' | 'both' | 'duplicate' | 'background' | 'missed';

/** Precision, recall and F1 of what is left when lower scores are dropped; -1 where undefined. */
export interface ScoreCurve {
  /** At thresholds 0, 0.01 … 1. */
  byScore: { precision: number[]; recall: number[]; f1: number[] };
  /** Where F1 is highest; a score of -1 when nothing is found at any. */
  best: { score: number; precision: number; recall: number; f1: number };
}

/** Where detections go wrong; native/eval/diagnosis.h says how each number is made. */
export interface Diagnosis {
  /** Least overlap of a detection that is right; least score in `confusion` and `sizes`. */
  iou: number;
  score: number;
  /** COCO's AP at `iou`; -1 without truths. */
  ap: number;
  /** By class: precision at recall 0, 0.01 … 1, and the score where that recall is reached; -1 without truths. */
  curves: ({ name: string; precision: number[]; scores: number[] } & ScoreCurve)[];
  /** Of the classes with truths; `best` is one threshold for all. */
  mean: { precision: number[]; scores: number[] } & ScoreCurve;
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
