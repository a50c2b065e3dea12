/** The recipe language: YAML in, a typed and complete recipe out. */
export { recipeJsonSchema } from './json-schema.ts';
export {
  type LoadedRecipe,
  type LoadOptions,
  loadRecipe,
  type ResolveOptions,
  resolveRecipe,
} from './load.ts';
export { type DetectedData, type NewRecipeOptions, writeRecipeFor } from './new.ts';
export { plainRecipe } from './plain.ts';
export { type Problem, type ProblemCode, RecipeError } from './problem.ts';
export type { AugmentStep } from './schema/augment.ts';
export type { CheckpointSection } from './schema/checkpoint.ts';
export type { DataFormat, DataSection } from './schema/data.ts';
export type { EvalSection } from './schema/eval.ts';
export type { LogSection } from './schema/log.ts';
export type { ModelSection } from './schema/model.ts';
export type { Recipe, RecipeInput } from './schema/root.ts';
export type { TrainSection } from './schema/train.ts';
