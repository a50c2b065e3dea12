import { z } from 'zod';

export const logSchema = z
  .strictObject({
    every: z.int().min(1).max(1_000_000).default(50).describe('Steps between lines of the log.'),
    tensorboard: z
      .boolean()
      .default(true)
      .describe('Writes event files for TensorBoard into the run folder.'),
    report: z
      .boolean()
      .default(true)
      .describe('Writes `report.html` and `status.json` into the run folder while the run goes on.'),
  })
  .prefault({})
  .describe('What a run tells.');

export type LogSection = z.output<typeof logSchema>;
