/** Splits of several places, and repetition. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { failure, load, problemOf, shortest } from './helpers.ts';

const voc = (also: string, more = '') => `data:
  format: voc
  train:
    images: 2007/JPEGImages
    annotations: 2007/Annotations
    list: 2007/trainval.txt
    also:
${also}
  val: {images: 2007/JPEGImages, annotations: 2007/Annotations}
${more}`;
const second = `      - images: 2012/JPEGImages
        annotations: 2012/Annotations`;

describe('further places of a split', () => {
  test('have paths from where they are written, and a list of their own', () => {
    const { recipe, folder } = load(voc(second));
    assert.ok(recipe.data.format === 'voc');
    const { train, val } = recipe.data;
    assert.deepEqual(train.also, [
      {
        images: join(folder, '2012/JPEGImages'),
        annotations: join(folder, '2012/Annotations'),
        list: null,
      },
    ]);
    assert.equal(train.list, join(folder, '2007/trainval.txt'));
    assert.deepEqual(val?.also, [], 'validation does not take over the places of training');
  });

  test('are part of the resolved recipe, which loads again', () => {
    const { recipe, yaml } = load(voc(second));
    assert.deepEqual(load(yaml).recipe, recipe);
  });

  for (const format of ['coco', 'yolo']) {
    test(`${format} has them as well`, () => {
      const own = format === 'coco' ? 'annotations: b.json' : 'labels: b, list: l.txt';
      const first = format === 'coco' ? 'annotations: a.json' : 'labels: a, classes: [x]';
      const { recipe } = load(
        `data: {format: ${format}, train: {images: a, ${first}, also: [{images: b, ${own}}]}, val: null}\n`,
      );
      assert.equal((recipe.data.train as { also: unknown[] }).also.length, 1);
    });
  }

  test('are told with path and line when they are wrong', () => {
    assert.equal(
      problemOf(voc('      - images: 2012/JPEGImages')).message,
      "expected a path for data.train.also.0.annotations but received nothing (a.yaml:8); add 'annotations:' to data.train.also.0",
    );
    assert.equal(
      problemOf(voc(`${second}\n      - {images: 7, annotations: x}`)).message,
      'expected a path for data.train.also.1.images but received 7 (a.yaml:10)',
    );
    assert.match(
      problemOf(voc(`${second}\n        classes: [x]`)).message,
      /data\.train\.also\.0\.classes .*\(a\.yaml:10\)/,
    );
  });

  test('do not belong to drawn pictures', () => {
    assert.match(failure('data: {format: synthetic, train: {count: 9, also: []}}').message, /also/);
  });
});

describe('repetition', () => {
  test('is once unless given, and not less', () => {
    assert.equal(load(shortest).recipe.data.repeat, 1);
    assert.equal(load(voc(second, '  repeat: 3')).recipe.data.repeat, 3);
    assert.match(
      problemOf(voc(second, '  repeat: 0')).message,
      /expected an integer from 1 to 1000 for data\.repeat but received 0 \(a\.yaml:11\)/,
    );
  });

  test('makes an epoch longer: what must fit into the run counts it', () => {
    const run = (repeat: number) =>
      load(
        `data: {format: synthetic, train: {count: 16}, val: {count: 4}, repeat: ${repeat}}\ntrain: {epochs: 1, batch: 16, warmup: {length: 2, unit: steps}}\n`,
      ).warnings;
    assert.match(run(1).join(), /warm-up/);
    assert.deepEqual(run(3), []);
  });
});
