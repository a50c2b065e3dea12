/** What the compiler knows about recipes; checked by `tsc -p test`. */
import { test } from 'node:test';
import { expectTypeOf } from 'expect-type';
import type {
  AugmentStep,
  DataSection,
  LoadedRecipe,
  loadRecipe,
  Recipe,
  RecipeInput,
  TrainSection,
} from '../../../lib/recipe/index.ts';

test('a resolved recipe has every field', () => {
  expectTypeOf<Recipe['train']>().toEqualTypeOf<TrainSection>();
  expectTypeOf<TrainSection['epochs']>().toEqualTypeOf<number | null>();
  expectTypeOf<TrainSection['ema']>().toEqualTypeOf<{ decay: number; warmup: number } | null>();
  expectTypeOf<TrainSection['optimizer']['betas']>().toEqualTypeOf<[number, number]>();
  expectTypeOf<TrainSection['lossWeights']>().toEqualTypeOf<Record<string, number>>();
  expectTypeOf<Recipe['model']['classes']>().toEqualTypeOf<number | string[] | 'auto'>();
  expectTypeOf<Recipe['model']['weights']>().toEqualTypeOf<string | null>();
  expectTypeOf<Recipe['eval']['best']>().extract<'ap' | 'ap50'>().toEqualTypeOf<'ap' | 'ap50'>();
  expectTypeOf<Recipe['data']['workers']>().toEqualTypeOf<number | 'auto'>();
});

test('the format tells the fields of a split', () => {
  type Of<Format> = Extract<DataSection, { format: Format }>;
  expectTypeOf<'coco' | 'voc' | 'yolo' | 'synthetic' | 'source'>().toExtend<DataSection['format']>();
  expectTypeOf<string>().not.toExtend<DataSection['format']>();
  expectTypeOf<Of<'synthetic'>['train']>().toEqualTypeOf<{ count: number }>();
  expectTypeOf<Of<'voc'>['train']['classes']>().toEqualTypeOf<string | string[] | null>();
  expectTypeOf<Of<'yolo'>['train']['classes']>().toEqualTypeOf<string | string[]>();
  expectTypeOf<Of<'coco'>['train']['annotations']>().toEqualTypeOf<string>();
  expectTypeOf<Of<'webdataset'>['train']['shards']>().toEqualTypeOf<string | string[]>();
  expectTypeOf<Of<'webdataset'>['shardCache']>().toEqualTypeOf<{ folder: string | null; limit: number }>();
  expectTypeOf<Of<'coco'>>().not.toHaveProperty('shardCache');
  expectTypeOf<Of<'coco'>>().not.toHaveProperty('labels');
  expectTypeOf<NonNullable<Of<'synthetic'>['val']>>().toEqualTypeOf<{ count: number }>();
});

test('a step of augmentation may be any of them', () => {
  expectTypeOf<NonNullable<AugmentStep['flip']>['probability']>().toEqualTypeOf<number>();
  expectTypeOf<'flip' | 'resize' | 'crop' | 'colour' | 'affine'>().toExtend<keyof AugmentStep>();
  expectTypeOf<'turn'>().not.toExtend<keyof AugmentStep>();
});

test('a user writes data and may leave out the rest', () => {
  expectTypeOf<{ data: { format: 'synthetic'; train: { count: number } } }>().toExtend<RecipeInput>();
  expectTypeOf<{ train: { lr: number } }>().not.toExtend<RecipeInput>();
  expectTypeOf<{ data: { format: 'coco'; train: { count: number } } }>().not.toExtend<RecipeInput>();
  expectTypeOf<Recipe>().toExtend<RecipeInput>();
});

test('loading gives both', () => {
  expectTypeOf<ReturnType<typeof loadRecipe>>().toEqualTypeOf<LoadedRecipe>();
  expectTypeOf<LoadedRecipe['warnings']>().toEqualTypeOf<readonly string[]>();
});
