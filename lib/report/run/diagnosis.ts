/** diagnosis.json of a run: where a detector goes wrong, measured with the last evaluation. */
import { z } from 'zod';

const count = z.number().min(0);

const perKind = (value: z.ZodNumber) =>
  z.object({
    classification: value,
    localization: value,
    both: value,
    duplicate: value,
    background: value,
    missed: value,
  });

const numbers = z.array(z.number());

/** At a score of at least 0, 0.01, …, 1, and where F1 is highest; −1 where undefined. */
const scoreCurve = z.object({
  byScore: z.object({ precision: numbers, recall: numbers, f1: numbers }),
  best: z.object({ score: z.number(), precision: z.number(), recall: z.number(), f1: z.number() }),
});

const diagnosisSchema = z.object({
  step: z.int().min(0),
  classes: z.array(z.string()),
  /** A detection of score ≥ `score` whose IoU with a truth is ≥ `iou` is a hit. */
  iou: z.number(),
  score: z.number(),
  /** Per class, precision at recall 0, 0.01, …, 1, and the score at which that recall is reached; −1 without truths. */
  curves: z.array(
    z.object({ name: z.string(), precision: numbers, scores: numbers }).extend(scoreCurve.shape),
  ),
  mean: scoreCurve,
  /** Rows are the truth, columns what was predicted; the last of each is the background. */
  confusion: z.array(z.array(count)),
  /** How many, and how much AP would rise without them. */
  errors: perKind(count),
  costs: perKind(z.number()).optional(),
  sizes: z.array(z.object({ name: z.string(), truths: count, found: count })),
});

export type Diagnosis = z.output<typeof diagnosisSchema>;

/** Null when the text is not a diagnosis of this version. */
export function parseDiagnosis(text: string): Diagnosis | null {
  try {
    const { data } = diagnosisSchema.safeParse(JSON.parse(text));
    const square = data?.confusion.every((row) => row.length === data.confusion.length);
    return data && square && data.confusion.length === data.classes.length + 1 ? data : null;
  } catch {
    return null;
  }
}
