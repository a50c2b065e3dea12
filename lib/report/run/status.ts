/** status.json of a run: what metrics.jsonl does not say, written beside the report. */
import { z } from 'zod';

const changeSchema = z.object({ field: z.string(), before: z.string(), after: z.string() });

const statusSchema = z.object({
  format: z.literal(1),
  recipe: z.string(),
  state: z.enum(['running', 'done', 'interrupted', 'failed']),
  /** Why it ended before its last step; else empty. */
  note: z.string(),
  step: z.int().min(0),
  totalSteps: z.int().min(0),
  stepsPerEpoch: z.int().min(1),
  /** Seconds of all sittings so far. */
  elapsed: z.number(),
  /** When this was written, ISO 8601. */
  written: z.string(),
  /** The metric that the best is chosen by. */
  best: z.string(),
  trainImages: z.int(),
  valImages: z.int(),
  classes: z.int(),
  parameters: z.int(),
  precision: z.string(),
  threads: z.int(),
  /** Fields that differ from the defaults; from what the run began with, when it was resumed. */
  fromDefaults: z.array(changeSchema),
  sinceStart: z.array(changeSchema),
});

export type RunStatus = z.output<typeof statusSchema>;

/** Null when the text is not a status of this version. */
export function parseStatus(text: string): RunStatus | null {
  try {
    return statusSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
