/** The public API. */
export { type Detection, Detector, type DetectorOptions } from './detector.ts';
export { ExitCode, HdError } from './error.ts';
export * as ops from './ops.ts';
export {
  type AugmentStep,
  type LoadedRecipe,
  loadRecipe,
  type Recipe,
  RecipeError,
  type RecipeInput,
  recipeJsonSchema,
  resolveRecipe,
} from './recipe/index.ts';
export type { TrainContext } from './trainer/context.ts';
export type { TrainEvent } from './trainer/events.ts';
export type { Hook } from './trainer/hooks/hook.ts';
export type {
  IndexedSource,
  SampleTruth,
  SlotSource,
  SlotView,
  Source,
  SourceSample,
} from './trainer/source.ts';
export type { StreamPlace, StreamSource } from './trainer/stream.ts';
export { Trainer, type TrainerOptions, type TrainResult, type TrainRun } from './trainer/trainer.ts';
