import { z } from 'zod';

export const logSchema = z
  .strictObject({
    every: z.int().min(1).max(1_000_000).default(50).describe('Steps between lines of the log.'),
  })
  .prefault({})
  .describe('What a run tells.');

export type LogSection = z.output<typeof logSchema>;
