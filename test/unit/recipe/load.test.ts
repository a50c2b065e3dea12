import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HdError } from '../../../lib/error.ts';
import { loadRecipe, RecipeError, type RecipeInput, resolveRecipe } from '../../../lib/recipe/index.ts';
import { failure, folderOf, load, shortest, temporaryFolder } from './helpers.ts';

describe('a loaded recipe', () => {
  test('has a name and a path', () => {
    const folder = folderOf({ 'sub/my.first.yaml': shortest });
    const { name, path } = loadRecipe('sub/my.first.yaml', { cwd: folder });
    assert.equal(name, 'my.first');
    assert.equal(path, join(folder, 'sub/my.first.yaml'));
  });

  test('is found by an absolute path from anywhere', () => {
    const folder = folderOf({ 'a.yaml': `${shortest}model: {weights: w.pth}\n` });
    assert.equal(
      loadRecipe(join(folder, 'a.yaml'), { cwd: '/' }).recipe.model.weights,
      join(folder, 'w.pth'),
    );
    assert.equal(loadRecipe(join(folder, 'a.yaml')).name, 'a');
  });

  test('has every default', () => {
    const { recipe } = load(shortest);
    assert.deepEqual(
      { ...recipe.model },
      {
        detector: 'gfl',
        preset: 'robust',
        backbone: 'resnet18',
        style: 'pytorch',
        classes: 'auto',
        norm: 'train',
        frozenStages: 0,
        neckChannels: 256,
        headConvs: 4,
        headChannels: 256,
        regMax: 16,
        boxLoss: 'giou',
        deformable: null,
        weights: null,
        init: 'strict',
        mean: [123.675, 116.28, 103.53],
        std: [58.395, 57.12, 57.375],
        channelOrder: 'rgb',
      },
    );
    assert.deepEqual(
      { ...recipe.eval },
      {
        every: 1,
        metric: 'coco',
        interpolation: 'area',
        scoreThreshold: 0.05,
        candidates: 1000,
        iouThreshold: 0.6,
        suppression: { kind: 'greedy', voting: 'none', beta: 0.8, sigma: 0.5, minScore: 0.001 },
        maxDetections: 100,
        flip: false,
        best: 'ap',
        pictures: 8,
      },
    );
    assert.deepEqual({ ...recipe.checkpoint }, { epochs: 1, seconds: 60, keep: 2, best: true });
    assert.deepEqual(
      { ...recipe.train.optimizer },
      {
        kind: 'sgd',
        momentum: 0.9,
        nesterov: false,
        betas: [0.9, 0.999],
        eps: 1e-8,
        weightDecay: 1e-4,
        noDecay: ['norm', 'bias'],
      },
    );
    assert.deepEqual(Object.keys(recipe), [
      'model',
      'teachers',
      'distill',
      'data',
      'train',
      'eval',
      'checkpoint',
      'log',
      'debug',
    ]);
  });

  test('shares nothing with another one', () => {
    const [first, second] = [load(shortest).recipe, load(shortest).recipe];
    first.train.optimizer.noDecay.push('bias');
    first.data.augment.pop();
    assert.deepEqual(second.train.optimizer.noDecay, ['norm', 'bias']);
    assert.equal(load(shortest).recipe.data.augment.length, 1);
  });
});

describe('the resolved text', () => {
  /** Loads `text` again from a folder that has nothing to do with the first. */
  const again = (text: string) => loadRecipe('recipe.yaml', { cwd: folderOf({ 'recipe.yaml': text }) });

  test('names the schema in its first line', () => {
    const [first] = load(shortest).yaml.split('\n');
    assert.match(first ?? '', /^# yaml-language-server: \$schema=.*dist\/recipe\.schema\.json$/);
  });

  test('gives the same recipe, the same text and the same remarks', () => {
    const text =
      'extends: sub/b.yaml\ntrain: {lr: 1e-3, ema: {decay: 0.5}}\nmodel: {weights: w.pth, classes: [no, "1e3", "~"]}\n';
    const base = 'data: {format: coco, train: {images: i, annotations: a}}\n';
    const first = load({ 'a.yaml': text, 'sub/b.yaml': base }, { set: ['train.batch=1'] });
    const second = again(first.yaml);
    assert.deepEqual(second.recipe, first.recipe);
    assert.equal(second.yaml, first.yaml);
    assert.deepEqual(first.recipe.model.classes, ['no', '1e3', '~']);
    assert.equal(first.recipe.train.batch, 1);
  });

  test('keeps lists of plain values on one line', () => {
    const { yaml } = load(shortest);
    assert.match(yaml, /^ {2}mean: \[123\.675, 116\.28, 103\.53\]$/m);
    assert.match(yaml, /^ {4}count: 320$/m);
  });

  const name = fc.string({ minLength: 1, maxLength: 10 });
  const path = fc.string({ minLength: 1, maxLength: 12 }).filter((text) => !text.includes('\0'));
  const data: fc.Arbitrary<RecipeInput['data']> = fc.oneof(
    fc.record({
      format: fc.constant('synthetic' as const),
      train: fc.record({ count: fc.integer({ min: 1, max: 1000 }) }),
      val: fc.option(fc.record({ count: fc.integer({ min: 1, max: 1000 }) })),
      seed: fc.integer({ min: 0, max: 0xffffffff }),
    }),
    fc.record({
      format: fc.constant('voc' as const),
      train: fc.record({
        images: path,
        annotations: path,
        classes: fc.option(fc.uniqueArray(name, { minLength: 1, maxLength: 4 })),
      }),
      size: fc.constantFrom<number | [number, number]>(128, [1333, 800]),
      augment: fc.subarray([{ flip: { probability: 0.25 } }, { crop: {} }, { colour: { hue: 0.5 } }]),
    }),
    fc.record({
      format: fc.constant('yolo' as const),
      train: fc.record({ images: path, labels: path, classes: path }),
      val: fc.record({ images: path, labels: path, list: fc.option(path) }),
    }),
  );
  const recipe = fc.record(
    {
      data,
      model: fc.record(
        {
          weights: fc.option(path),
          mean: fc.tuple(
            fc.double({ noNaN: true, noDefaultInfinity: true }),
            fc.float({ noNaN: true, noDefaultInfinity: true }),
            fc.integer(),
          ),
          boxLoss: fc.constantFrom('iou' as const, 'ciou' as const),
        },
        { requiredKeys: [] },
      ),
      train: fc.record(
        {
          lr: fc.double({ min: 1e-300, max: 100, noNaN: true }),
          steps: fc.integer({ min: 1, max: 1e9 }),
          ema: fc.option(fc.record({ decay: fc.double({ min: 0, max: 0.999999, noNaN: true }) })),
          freeze: fc.array(name, { maxLength: 3 }),
          lossWeights: fc.dictionary(
            fc.stringMatching(/^[A-Za-z]\w{0,5}$/),
            fc.double({ min: 0, max: 9, noNaN: true }),
          ),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: ['data'] },
  );

  test('gives the same recipe, whatever it holds', () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'elsewhere'));
    fc.assert(
      fc.property(recipe, (input) => {
        const first = resolveRecipe(input, { cwd: '/some/where' });
        writeFileSync(join(folder, 'elsewhere/r.yaml'), first.yaml);
        const second = loadRecipe('elsewhere/r.yaml', { cwd: folder });
        assert.deepEqual(second.recipe, first.recipe);
        assert.equal(second.yaml, first.yaml);
        assert.equal(resolveRecipe(first.recipe, { cwd: '/other' }).yaml, first.yaml, 'and as an object');
      }),
      { numRuns: 150 },
    );
  });

  test('has only absolute paths', () => {
    const paths = (input: RecipeInput) => {
      const { data, model } = resolveRecipe(input, { cwd: '/some/where' }).recipe;
      const splits = [data.train, data.val].map((split) => split as Record<string, unknown> | null);
      return [
        model.weights,
        ...splits.flatMap((split) => ['images', 'annotations', 'labels', 'list'].map((key) => split?.[key])),
      ];
    };
    fc.assert(
      fc.property(recipe, (input) => {
        for (const found of paths(input))
          assert.ok(typeof found !== 'string' || isAbsolute(found), String(found));
      }),
    );
  });
});

describe('a recipe of a program', () => {
  const input: RecipeInput = { data: { format: 'synthetic', train: { count: 320 }, val: { count: 32 } } };

  test('equals the same text', () => {
    assert.deepEqual(resolveRecipe(input).recipe, load(shortest).recipe);
  });

  test('has the name that it is given, and no path', () => {
    assert.deepEqual(
      [resolveRecipe(input).name, resolveRecipe(input, { name: 'mine' }).name],
      ['recipe', 'mine'],
    );
    assert.equal(resolveRecipe(input).path, '');
  });

  test('takes overrides, and paths from the current directory', () => {
    const { recipe } = resolveRecipe(
      { ...input, model: { weights: 'w.pth' } },
      { cwd: '/here', set: ['train.lr=0.5'] },
    );
    assert.equal(recipe.model.weights, '/here/w.pth');
    assert.equal(recipe.train.lr, 0.5);
    assert.equal(
      resolveRecipe({ ...input, model: { weights: 'w.pth' } }).recipe.model.weights,
      join(process.cwd(), 'w.pth'),
    );
  });

  test('is left alone', () => {
    const frozen = JSON.stringify(input);
    resolveRecipe(input, { set: ['data.train.count=5'] });
    assert.equal(JSON.stringify(input), frozen);
  });

  test('its faults have no line', () => {
    assert.throws(
      () => resolveRecipe({ ...input, train: { lr: -1 } }),
      (error: RecipeError) => {
        assert.match(error.message, /for train\.lr but received -1 \(recipe object\)$/);
        assert.deepEqual([error.problems[0]?.file, error.problems[0]?.line], ['', 0]);
        return true;
      },
    );
  });

  test('holds plain data only', () => {
    assert.throws(
      () => resolveRecipe({ ...input, train: new Map() as never }),
      (error: RecipeError) => error.code === 'HD_RECIPE_TYPE' && /an instance of Map/.test(error.message),
    );
  });
});

describe('the error', () => {
  test('is an HdError for exit code 2, with the first problem in front', () => {
    const error = failure(`${shortest}train: {lr: 0, batch: 0}\n`);
    assert.ok(error instanceof HdError);
    assert.ok(error instanceof RecipeError);
    assert.equal(error.exitCode, 2);
    assert.equal(error.code, 'HD_RECIPE_RANGE');
    assert.match(error.where, /a\.yaml:2$/);
  });

  test('every code means exit code 2', () => {
    for (const text of [
      'a: [',
      'a: 1\na: 2',
      'extends: x',
      'data: 3',
      'data: {format: x}',
      `${shortest}zz: 1`,
    ]) {
      assert.equal(failure(text).exitCode, 2, text);
    }
  });

  test('of an override has no file', () => {
    const error = failure(shortest, { set: ['train.lr=0'] });
    assert.equal(error.where, 'train.lr');
  });

  test('faults of overrides follow those of the file', () => {
    const { problems } = failure(`${shortest}train: {lr: 0}\n`, { set: ['nonsense', 'train.batch=0'] });
    assert.deepEqual(
      problems.map(({ line, path }) => [line, path]),
      [
        [2, 'train.lr'],
        [0, ''],
        [0, 'train.batch'],
      ],
    );
  });
});
