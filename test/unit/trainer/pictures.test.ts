import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { type DrawSet, type NativeDataset, type NativeEvaluator, native } from '../../../lib/native.ts';
import { drawPictures, visible } from '../../../lib/trainer/pictures.ts';
import { temporaryFolder } from '../../faults/command.ts';
import { writePng } from '../cli/files.ts';
import { openTrain, recipeOf } from './fixtures.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

describe('visible', () => {
  const detection = fc.record({
    box: fc.tuple(fc.float(), fc.float(), fc.float(), fc.float()),
    score: fc.float({ noNaN: true, min: 0, max: 1 }),
    label: fc.nat(90),
  });
  const pack = (found: { box: number[]; score: number; label: number }[]) => ({
    boxes: Float32Array.from(found.flatMap(({ box }) => box)),
    scores: Float32Array.from(found, ({ score }) => score),
    labels: Int32Array.from(found, ({ label }) => label),
  });

  test('keeps what reaches the threshold, whole and in order', () => {
    const threshold = fc.float({ noNaN: true, min: 0, max: 1 });
    fc.assert(
      fc.property(fc.array(detection, { maxLength: 20 }), threshold, (found, limit) => {
        assert.deepEqual(visible(pack(found), limit), pack(found.filter(({ score }) => score >= limit)));
      }),
    );
  });
  test('a score that is no number is not shown, whatever the threshold', () => {
    const found = pack([{ box: [1, 2, 3, 4], score: Number.NaN, label: 0 }]);
    assert.equal(visible(found, 0).scores.length, 0);
  });
});

describe('drawPictures', () => {
  let dataset: NativeDataset;
  before(async () => {
    dataset = await openTrain(recipeOf());
  });
  const evaluatorOf = (set: NativeDataset) => new (native().Evaluator)(set);
  const numbers = (paths: string[]) => paths.map((path) => Number(/picture-(\d+)\.jpg$/.exec(path)?.[1]));

  test('writes JPEGs, spread over the set, and returns their paths in order', async () => {
    const folder = join(root, 'deep', 'spread');
    const written = await drawPictures(dataset, evaluatorOf(dataset), folder, 4);
    assert.deepEqual(numbers(written), [0, 3, 6, 9]);
    assert.deepEqual(
      readdirSync(folder).sort(),
      written.map((path) => basename(path)),
    );
    for (const path of written) assert.deepEqual([...readFileSync(path).subarray(0, 3)], [0xff, 0xd8, 0xff]);
  });
  test('never more than there are, and none on request', async () => {
    const all = await drawPictures(dataset, evaluatorOf(dataset), join(root, 'all'), 99);
    assert.deepEqual(
      numbers(all),
      Array.from({ length: 12 }, (_, i) => i),
    );
    assert.deepEqual(await drawPictures(dataset, evaluatorOf(dataset), join(root, 'none'), 0), []);
    assert.deepEqual(readdirSync(join(root, 'none')), []);
  });
  test('files of one name in two folders do not overwrite each other', async () => {
    const files = ['a', 'b'].map((folder) => join(root, folder, 'same.png'));
    for (const [i, file] of files.entries()) writePng(file, 64, 48, i);
    const set = await native().openDataset({ format: 'files', files, classes: ['x'] });
    const written = await drawPictures(set, evaluatorOf(set), join(root, 'same'), 2);
    assert.deepEqual(
      written.map((path) => basename(path)),
      ['000-same.jpg', '001-same.jpg'],
    );
    assert.notDeepEqual(readFileSync(written[0] ?? ''), readFileSync(written[1] ?? ''));
  });
  test('truth stands before what was predicted; weak detections are left out', async () => {
    const addon = native();
    const real = addon.draw;
    const drawn: { image: number; sets: DrawSet[] }[] = [];
    addon.draw = async (options) => void drawn.push(options);
    try {
      const evaluator = {
        detections: () => ({
          boxes: Float32Array.of(1, 1, 9, 9, 2, 2, 8, 8),
          scores: Float32Array.of(0.9, 0.29),
          labels: Int32Array.of(1, 2),
        }),
      } as unknown as NativeEvaluator;
      await drawPictures(dataset, evaluator, join(root, 'sets'), 1);
      await drawPictures(dataset, evaluator, join(root, 'sets'), 1, 0.25);
    } finally {
      addon.draw = real;
    }
    const [usual, more] = drawn;
    assert.deepEqual(
      usual?.sets.map(({ title }) => title),
      ['truth', 'predicted'],
    );
    assert.deepEqual(usual?.sets[0]?.boxes, dataset.image(0).boxes);
    assert.equal(usual?.sets[0]?.scores, undefined);
    assert.deepEqual(usual?.sets[1]?.labels, Int32Array.of(1));
    assert.deepEqual(more?.sets[1]?.labels, Int32Array.of(1, 2));
  });
});
