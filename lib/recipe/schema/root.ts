import { z } from 'zod';
import { checkpointSchema } from './checkpoint.ts';
import { dataSchema } from './data.ts';
import { debugSchema } from './debug.ts';
import { distillSchema, teachersSchema } from './distill.ts';
import { evalSchema } from './eval.ts';
import { logSchema } from './log.ts';
import { modelSchema } from './model.ts';
import { trainSchema } from './train.ts';

/** The sections in the order that resolved recipes and the documentation show. A new section is a file and a line. */
export const recipeSchema = z.strictObject({
  model: modelSchema,
  teachers: teachersSchema,
  distill: distillSchema,
  data: dataSchema,
  train: trainSchema,
  eval: evalSchema,
  checkpoint: checkpointSchema,
  log: logSchema,
  debug: debugSchema,
});

/** A resolved recipe: every field present, paths absolute. */
export type Recipe = z.output<typeof recipeSchema>;

/** A recipe as a user writes it: all but `data` may be left out. */
export type RecipeInput = z.input<typeof recipeSchema>;
