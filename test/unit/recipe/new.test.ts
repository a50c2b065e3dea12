import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type DetectedData, loadRecipe, writeRecipeFor } from '../../../lib/recipe/index.ts';
import { load, temporaryFolder } from './helpers.ts';

const voc: DetectedData = {
  format: 'voc',
  train: {
    images: '/data/cells/images',
    annotations: '/data/cells/annotations',
    list: '/data/cells/train.txt',
  },
  val: { images: '/data/cells/images', annotations: '/data/cells/annotations', list: '/data/cells/val.txt' },
  classes: ['Platelets', 'RBC', 'WBC'],
  images: { train: 291, val: 73 },
  sizes: [{ width: 640, height: 480, count: 364 }],
  warnings: [],
};

test('a data set with two splits', () => {
  const text = writeRecipeFor(voc);
  const { recipe, warnings } = load(text);
  assert.deepEqual(warnings, []);
  assert.ok(recipe.data.format === 'voc');
  assert.equal(recipe.data.train.list, '/data/cells/train.txt');
  assert.equal(recipe.data.val?.list, '/data/cells/val.txt');
  assert.equal(recipe.data.size, 640);
  assert.equal(recipe.model.norm, 'train');
  assert.equal(recipe.train.batch, 16);
  assert.equal(recipe.train.epochs, 69);
  assert.match(text, /# Platelets, RBC, WBC$/m);
  assert.match(text, /# 291 pictures$/m);
  assert.match(text, /^# yaml-language-server: \$schema=/);
});

test('no validation pictures', () => {
  const { recipe, warnings } = load(writeRecipeFor({ ...voc, val: null, images: { train: 291, val: 0 } }));
  assert.equal(recipe.data.val, null);
  assert.equal(warnings.length, 1);
});

test('LVIS is measured as LVIS', () => {
  const train = { images: '/d', annotations: '/d/lvis_v1_train.json' };
  const { recipe, warnings } = load(writeRecipeFor({ ...voc, format: 'lvis', train, val: train }));
  assert.deepEqual(warnings, []);
  assert.ok(recipe.data.format === 'lvis');
  assert.deepEqual([recipe.eval.metric, recipe.eval.maxDetections], ['lvis', 300]);
  assert.equal(recipe.data.train.classes, null);
});

test('COCO and YOLO', () => {
  const coco = load(
    writeRecipeFor({
      ...voc,
      format: 'coco',
      train: { images: '/d/images', annotations: '/d/train.json' },
      val: { images: '/d/images', annotations: '/d/val.json' },
    }),
  ).recipe.data;
  assert.ok(coco.format === 'coco');
  assert.equal(coco.val?.annotations, '/d/val.json');

  const train = { images: '/d/images', labels: '/d/labels' };
  const named = load(writeRecipeFor({ ...voc, format: 'yolo', train, val: train })).recipe.data;
  assert.ok(named.format === 'yolo');
  assert.deepEqual(named.train.classes, voc.classes, 'label numbers need names');
  const filed = load(
    writeRecipeFor({ ...voc, format: 'yolo', train: { ...train, classes: '/d/classes.txt' }, val: train }),
  ).recipe.data;
  assert.ok(filed.format === 'yolo');
  assert.equal(filed.train.classes, '/d/classes.txt');
});

test('shards, as a pattern or a list', () => {
  const classes = ['cat', 'dog'];
  const text = writeRecipeFor(
    {
      ...voc,
      format: 'webdataset',
      classes,
      train: { shards: '/data/cells/train-{000..012}.tar', classes },
      val: { shards: ['/data/cells/a.tar', '/data/cells/b.tar'], classes },
    },
    { folder: '/data/cells' },
  );
  assert.match(text, /^ {4}shards: train-\{000\.\.012\}\.tar$/m);
  assert.match(text, /^ {6}- b\.tar$/m);
  const { recipe, warnings } = load(text);
  assert.deepEqual(warnings, []);
  assert.ok(recipe.data.format === 'webdataset');
  assert.match(String(recipe.data.train.shards), /\/train-\{000\.\.012\}\.tar$/);
  assert.deepEqual(recipe.data.val?.classes, classes);
});

test('paths are short where the recipe lies near the data', () => {
  const text = writeRecipeFor(voc, { folder: '/data/recipes' });
  assert.match(text, /^ {4}images: \.\.\/cells\/images$/m);
  assert.match(writeRecipeFor(voc, { folder: '/data/cells' }), /^ {4}images: images$/m);
  assert.match(
    writeRecipeFor(voc, { folder: '/very/far/away/from/it' }),
    /^ {4}images: \/data\/cells\/images$/m,
  );
});

test('relative paths load from the folder', () => {
  const folder = temporaryFolder();
  const near = { images: join(folder, 'data/images'), annotations: join(folder, 'data/xml') };
  writeFileSync(join(folder, 'new.yaml'), writeRecipeFor({ ...voc, train: near, val: near }, { folder }));
  const { recipe } = loadRecipe('new.yaml', { cwd: folder });
  assert.ok(recipe.data.format === 'voc');
  assert.equal(recipe.data.train.annotations, near.annotations);
});

describe('sizes and lengths follow the data', () => {
  const made = (change: Partial<DetectedData>) => load(writeRecipeFor({ ...voc, ...change })).recipe;

  test('pictures', () => {
    const size = (width: number, height: number) => made({ sizes: [{ width, height, count: 1 }] }).data.size;
    assert.equal(size(300, 200), 288);
    assert.equal(size(4000, 3000), 640);
    assert.equal(size(20, 20), 128);
    assert.equal(size(0, 0), 320);
    assert.equal(made({ sizes: [] }).data.size, 320);
    const mixed = [
      { width: 4000, height: 3000, count: 2 },
      { width: 300, height: 200, count: 3 },
      { width: 0, height: 0, count: 9 },
    ];
    assert.equal(made({ sizes: mixed }).data.size, 288);
    assert.match(writeRecipeFor({ ...voc, sizes: mixed }), /the median picture is 300 × 200$/m);
    assert.match(writeRecipeFor({ ...voc, sizes: [] }), /the median picture is of unknown size$/m);
  });

  test('epochs and batch', () => {
    const run = (train: number) => {
      const recipe = made({ images: { train, val: 1 } });
      return [recipe.train.epochs, recipe.train.batch];
    };
    assert.deepEqual(run(5), [150, 5]);
    assert.deepEqual(run(0), [150, 1]);
    assert.deepEqual(run(1000), [20, 16]);
    assert.deepEqual(run(118_287), [12, 16]);
  });
});

test('remarks and class names stay comments, whatever they hold', () => {
  const hostile = 'one\ntrain: {lr: 99}\r\u2028\u0007x';
  const { recipe } = load(writeRecipeFor({ ...voc, warnings: [hostile], classes: [hostile, 'b'] }));
  assert.equal(recipe.train.lr, 0.01);
  const many = writeRecipeFor({ ...voc, classes: Array.from({ length: 80 }, (_, index) => `class${index}`) });
  assert.match(many, /class11, … \(80 in all\)$/m);
});

test('any path and any name gives a recipe that loads to the same', () => {
  const text = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
    .filter((value) => !value.includes('\0'));
  const path = text.map((value) => `/${value.replaceAll('/', '_')}x`);
  fc.assert(
    fc.property(
      path,
      path,
      fc.uniqueArray(text, { minLength: 1, maxLength: 20 }),
      (images, labels, classes) => {
        const train = { images, labels };
        const { data } = load(writeRecipeFor({ ...voc, format: 'yolo', train, val: train, classes })).recipe;
        assert.ok(data.format === 'yolo');
        assert.deepEqual(
          [data.train.images, data.train.labels, data.train.classes],
          [images, labels, classes],
        );
      },
    ),
  );
});
