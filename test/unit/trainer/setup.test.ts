import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type NativeDataset, native } from '../../../lib/native.ts';
import { type RecipeInput, resolveRecipe } from '../../../lib/recipe/index.ts';
import {
  checkClasses,
  classCount,
  detectOptions,
  modelOptions,
  openData,
  openLoader,
  openSplit,
  sessionOptions,
} from '../../../lib/trainer/setup.ts';
import { openSource } from '../../../lib/trainer/source.ts';
import { temporaryFolder } from '../../faults/command.ts';
import { writeCoco } from '../cli/files.ts';
import { openTrain, recipeOf, type Sections } from './fixtures.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

/** A data set that has names and no pictures. */
function named(...classes: string[]): NativeDataset {
  return openSource({ length: 1, classes, get: () => assert.fail('nobody asks') }).dataset;
}

function cocoRecipe(
  train: Record<string, unknown>,
  val: Record<string, unknown> | null,
  model: Record<string, unknown> = {},
) {
  const split = (given: Record<string, unknown>) => ({
    images: join(folder, 'pictures'),
    annotations: join(folder, 'truth.json'),
    ...given,
  });
  const data = { format: 'coco', train: split(train), ...(val ? { val: split(val) } : {}) };
  return resolveRecipe({ data, model } as RecipeInput).recipe;
}

before(() => {
  const boxes = [1, 2, 3].map((image) => ({
    image,
    category: image === 2 ? 7 : 3,
    box: [4, 4, 20, 20] as [number, number, number, number],
  }));
  writeCoco(join(folder, 'truth.json'), 3, boxes, join(folder, 'pictures'));
});

describe('openSplit', () => {
  test('a split that the recipe does not have is null', async () => {
    assert.equal(await openSplit(resolveRecipe(shortest).recipe, 'val'), null);
  });
  test('synthetic pictures have the canvas of the recipe; the splits differ', async () => {
    const recipe = recipeOf({ data: { size: [96, 64] } as Sections['data'] });
    const [trainSet, valSet] = [await openSplit(recipe, 'train'), await openSplit(recipe, 'val')];
    assert.deepEqual([trainSet?.length, valSet?.length], [12, 4]);
    const { width, height } = trainSet?.image(0) ?? { width: 0, height: 0 };
    assert.deepEqual([width, height].sort(), [64, 96]);
    assert.notDeepEqual(trainSet?.image(0).boxes, valSet?.image(0).boxes);
  });
  test('a source is not in the recipe: the program is told how to give one', async () => {
    const { recipe } = resolveRecipe({ data: { format: 'source', train: {} } });
    await assert.rejects(openSplit(recipe, 'train'), { code: 'HD_USAGE_SOURCE', message: /sources/ });
  });
  test('classes: those of the file, of the split, of train for val, of the model, the last one first', async () => {
    const classesOf = async (recipe: ReturnType<typeof cocoRecipe>, split: 'train' | 'val' = 'train') =>
      (await openSplit(recipe, split))?.classes;
    assert.deepEqual(await classesOf(cocoRecipe({}, null)), ['cat', 'dog']);
    const turned = ['dog', 'cat'];
    assert.deepEqual(await classesOf(cocoRecipe({ classes: turned }, {})), turned);
    assert.deepEqual(await classesOf(cocoRecipe({ classes: turned }, {}), 'val'), turned);
    const forced = cocoRecipe({ classes: ['cat', 'dog'] }, {}, { classes: turned });
    assert.deepEqual([await classesOf(forced), await classesOf(forced, 'val')], [turned, turned]);
  });
});

const shortest: RecipeInput = { data: { format: 'synthetic', train: { count: 2 } } };

describe('openData', () => {
  test('opens both splits, or one', async () => {
    const { trainSet, valSet } = await openData(recipeOf());
    assert.deepEqual([trainSet.length, valSet?.length], [12, 4]);
    assert.equal((await openData(resolveRecipe(shortest).recipe)).valSet, null);
  });
  test('splits that number their classes otherwise are refused', async () => {
    const recipe = cocoRecipe({ classes: ['cat', 'dog'] }, { classes: ['dog', 'cat'] });
    await assert.rejects(openData(recipe), {
      code: 'HD_DATA_CLASSES',
      where: 'data.val',
      message: /train has cat, dog and val has dog, cat/,
    });
  });
});

describe('checkClasses', () => {
  const recipe = (classes: number) => recipeOf({ model: { classes } });
  test('a network may have more outputs than the data has classes, never fewer', () => {
    checkClasses(recipe(3), named('a', 'b', 'c'), null);
    checkClasses(recipe(80), named('a'), null);
    assert.throws(() => checkClasses(recipe(2), named('a', 'b', 'c'), null), {
      code: 'HD_DATA_CLASSES',
      where: 'model.classes',
      message: /at least 3 .*a, b, c.* received 2: use 'auto'/,
    });
  });
  test('names of the recipe are those of the data, in their order', () => {
    const listed = (...classes: string[]) => recipeOf({ model: { classes } });
    checkClasses(listed('a', 'b'), named('a', 'b'), null);
    for (const classes of [['b', 'a'], ['a'], ['a', 'b', 'c']])
      assert.throws(() => checkClasses(listed(...classes), named('a', 'b'), null), {
        code: 'HD_DATA_CLASSES',
        where: 'model.classes',
        message: /expected the classes of the data, a, b, .*the same order/,
      });
  });
  test('names are compared whole: a separator inside a name fools nobody', () => {
    checkClasses(recipe(5), named('a', 'b'), named('a', 'b'));
    for (const name of ['a, b', 'a\nb', 'a","b'])
      assert.throws(() => checkClasses(recipe(5), named(name), named('a', 'b')), { code: 'HD_DATA_CLASSES' });
  });
  test('the count is the number of the recipe, else that of the data', () => {
    assert.equal(classCount(recipe(80), named('a')), 80);
    assert.equal(classCount(recipeOf(), named('a', 'b')), 2);
    assert.equal(classCount(recipeOf({ model: { classes: ['x', 'y', 'z'] } }), named('x', 'y', 'z')), 3);
  });
});

describe('openLoader', () => {
  /** The options that the native loader is made with. */
  function optionsOf(sections: Sections, training: boolean, ordered = false): Record<string, unknown> {
    const addon = native();
    const real = addon.Loader;
    let seen: Record<string, unknown> = {};
    addon.Loader = class {
      constructor(_dataset: NativeDataset, options: Record<string, unknown>) {
        seen = options;
      }
    } as never;
    try {
      openLoader(recipeOf(sections), named('a'), training, 32, ordered);
    } finally {
      addon.Loader = real;
    }
    return seen;
  }
  const stepsOf = (sections: Sections, training = true) =>
    (optionsOf(sections, training).augment as Record<string, unknown>[]).flatMap(Object.keys);

  test('training shuffles and augments; evaluation sees each picture once, plainly resized', () => {
    const augment = [{ flip: {} }];
    const training = optionsOf({ data: { augment } }, true);
    assert.deepEqual(
      [training.shuffle, training.evaluate, training.groupByAspect],
      [true, false, recipeOf().data.groupByAspect],
    );
    const evaluation = optionsOf({ data: { augment } }, false);
    assert.deepEqual(
      [evaluation.shuffle, evaluation.evaluate, evaluation.groupByAspect],
      [false, true, true],
    );
    assert.deepEqual(evaluation.augment, [{ resize: { sizes: [[64, 64]] } }]);
  });
  test('a look at the first pictures takes them as they come, and forgives bad ones like any evaluation', () => {
    const first = optionsOf({ data: { onBadSample: 'skip' } }, false, true);
    assert.deepEqual([first.groupByAspect, first.evaluate, first.onBadSample], [false, true, 'skip']);
    assert.equal(optionsOf({ data: { groupByAspect: false } }, false).groupByAspect, false);
  });
  test('crops come before the resize and everything else after it', () => {
    const data = { augment: [{ flip: {} }, { crop: {} }, { colour: {} }] };
    assert.deepEqual(stepsOf({ data }), ['crop', 'resize', 'flip', 'colour']);
    assert.deepEqual(stepsOf({ data: { augment: [] } }), ['resize']);
  });
  test('a resize of the recipe stays where it is, and is the only one', () => {
    const data = { augment: [{ flip: {} }, { resize: { sizes: [[128, 96]] } }, { crop: {} }] };
    assert.deepEqual(stepsOf({ data } as Sections), ['flip', 'resize', 'crop']);
    assert.deepEqual(stepsOf({ data } as Sections, false), ['resize']);
  });
  test('windows of drawn size are crops too; what joins pictures comes behind the resize and knows the size', () => {
    const data = { size: [96, 64], augment: [{ mosaic: {} }, { resizeCrop: {} }, { mixup: {} }] };
    assert.deepEqual(stepsOf({ data } as Sections), ['resizeCrop', 'resize', 'mosaic', 'mixup']);
    const steps = optionsOf({ data } as Sections, true).augment as { mosaic?: { size: unknown } }[];
    assert.deepEqual(steps[2]?.mosaic?.size, [96, 64]);
  });
  test('without the ratio the stretch is the last of the geometry, and evaluation stretches too', () => {
    const data = { keepRatio: false, augment: [{ flip: {} }, { crop: {} }, { affine: {} }, { colour: {} }] };
    assert.deepEqual(stepsOf({ data } as Sections), ['flip', 'crop', 'affine', 'resize', 'colour']);
    const evaluation = optionsOf({ data } as Sections, false).augment;
    assert.deepEqual(evaluation, [{ resize: { sizes: [[64, 64]], keepRatio: false } }]);
    const joined = { keepRatio: false, size: [96, 64], augment: [{ mosaic: {} }, { affine: {} }] };
    const steps = optionsOf({ data: joined } as Sections, true).augment as { mosaic?: object }[];
    assert.deepEqual(steps.flatMap(Object.keys), ['mosaic', 'affine', 'resize']);
    assert.equal((steps[0]?.mosaic as { keepRatio?: boolean } | undefined)?.keepRatio, false);
  });
  test('centreAffine is a resize and knows the size', () => {
    const data = { size: [96, 64], augment: [{ flip: {} }, { centreAffine: {} }] };
    assert.deepEqual(stepsOf({ data } as Sections), ['flip', 'centreAffine']);
    const steps = optionsOf({ data } as Sections, true).augment as { centreAffine?: { size: unknown } }[];
    assert.deepEqual(steps[1]?.centreAffine?.size, [96, 64]);
  });
  test('training knows how long it is, for steps that close', () => {
    const training = optionsOf({ train: { epochs: 12 } }, true);
    assert.deepEqual([training.epochs, training.steps], [12, 0]);
    assert.equal(optionsOf({ train: { epochs: 12 } }, false).epochs, undefined);
    const inSteps = optionsOf({ train: { epochs: null, steps: 70 } } as Sections, true);
    assert.deepEqual([inSteps.epochs, inSteps.steps], [0, 70]);
  });
  test('a stream cannot be joined, and evaluation does not join', () => {
    for (const step of ['mosaic', 'mixup', 'copyPaste']) {
      const sections = { data: { augment: [{ flip: {} }, { [step]: {} }] } } as Sections;
      assert.throws(
        () => optionsOf(sections, true, true),
        new RegExp(`HD_USAGE_SOURCE|expected no '${step}' in data.augment`),
      );
      assert.deepEqual(stepsOf(sections, false), ['resize']);
      optionsOf(sections, true, false);
    }
  });
  test('the cache of pictures goes where the recipe says', () => {
    const cacheOf = (data: Sections['data']) => optionsOf({ data }, true).cache;
    assert.equal((cacheOf({}) as { kind: string }).kind, 'none');
    assert.deepEqual(cacheOf({ cache: 'disk', cacheLimit: 0.5, cacheFolder: '/kept' }), {
      kind: 'disk',
      limit: 500_000_000,
      folder: '/kept/train',
    });
    assert.match((cacheOf({ cache: 'disk' }) as { folder: string }).folder, /hdtrain.pictures.train$/);
    // Each split has its own: a store takes entries that it did not write for those of an earlier run.
    const evaluation = optionsOf({ data: { cache: 'disk', cacheFolder: '/kept' } }, false).cache;
    assert.equal((evaluation as { folder: string }).folder, '/kept/val');
  });
  test('faults of decoding concern training', () => {
    const fault = { point: 'decode', action: 'stall', seconds: 2, step: 3, times: 1 };
    const sections = { debug: { fault } } as Sections;
    const { point: _point, ...told } = fault;
    assert.deepEqual(optionsOf(sections, true).faults, [told]);
    assert.deepEqual(optionsOf(sections, false).faults, []);
  });
  test('a stream is neither shuffled, grouped nor forgiven', () => {
    const options = optionsOf({ data: { groupByAspect: true, onBadSample: 'skip' } }, true, true);
    assert.deepEqual([options.shuffle, options.groupByAspect, options.onBadSample], [false, false, 'stop']);
  });
  test('batches of training are those of the recipe; evaluation takes at most 16', () => {
    for (const [batch, evaluation] of [
      [1, 1],
      [12, 12],
      [64, 16],
    ] as const) {
      assert.equal(optionsOf({ train: { batch } }, true).batch, batch);
      assert.equal(optionsOf({ train: { batch } }, false).batch, evaluation);
    }
  });
  test('auto: a decode thread a core and three slots', () => {
    const { threads, slots } = optionsOf({}, true);
    assert.deepEqual([threads, slots], [availableParallelism(), 3]);
    const given = optionsOf({ data: { workers: 2, slots: 5 } }, true);
    assert.deepEqual([given.threads, given.slots], [2, 5]);
  });
  test('the real loader takes them: steps and canvases of the recipe', async () => {
    const recipe = recipeOf({ data: { size: [96, 64], groupByAspect: false } as Sections['data'] });
    const loader = openLoader(recipe, await openTrain(recipe), true, 32);
    assert.equal(loader.stepsPerEpoch, 3);
    for (const [height, width] of loader.canvases)
      assert.ok(height % 32 === 0 && width % 32 === 0 && Math.max(height, width) <= 96);
    loader.close();
  });
});

describe('native options', () => {
  test('a network learns nothing of weights and their loading; frozen stages count from the stem', () => {
    const recipe = recipeOf({ model: { weights: '/w.pth', frozenStages: 1 } });
    const options = modelOptions(recipe, 7);
    assert.deepEqual([options.classes, options.frozenStages, options.backbone], [7, 1, 'resnet18']);
    assert.ok(!('weights' in options) && !('init' in options));
    assert.equal(modelOptions(recipeOf(), 7).frozenStages, -1);
  });
  test('a session that only evaluates has no optimiser, no average and full precision', () => {
    const recipe = recipeOf({ train: { ema: {}, precision: 'bf16', seed: 9 } });
    const training = sessionOptions(recipe, 3, true);
    assert.deepEqual([training.ema, training.precision, training.seed], [true, 'bf16', 9]);
    assert.equal(training.optimizer, recipe.train.optimizer);
    const evaluation = sessionOptions(recipe, 3, false);
    assert.deepEqual([evaluation.ema, evaluation.precision, evaluation.optimizer], [false, 'fp32', null]);
    assert.equal(sessionOptions(recipeOf(), 3, true).ema, false);
  });
  test('detection takes the fields that make detections of candidates', () => {
    const options = detectOptions(recipeOf({ eval: { scoreThreshold: 0.2, maxDetections: 7 } }));
    assert.deepEqual(Object.keys(options).sort(), [
      'candidates',
      'flip',
      'iouThreshold',
      'maxDetections',
      'scoreThreshold',
      'suppression',
    ]);
    assert.deepEqual([options.scoreThreshold, options.maxDetections], [0.2, 7]);
  });
});
