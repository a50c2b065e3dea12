import { z } from 'zod';

export const checkpointSchema = z
  .strictObject({
    epochs: z.number().min(0).default(1).describe('Epochs between checkpoints; 0 leaves it to `seconds`.'),
    seconds: z.number().min(0).default(60).describe('Seconds between checkpoints inside an epoch; 0 is off.'),
    keep: z
      .int()
      .min(1)
      .max(1000)
      .default(2)
      .describe('How many of the latest checkpoints stay on the disk.'),
    best: z.boolean().default(true).describe('Whether the best checkpoint by `eval.best` is kept as well.'),
  })
  .prefault({})
  .describe('When the run is saved, so that it can be resumed.');

export type CheckpointSection = z.output<typeof checkpointSchema>;
