import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Detector } from '../../lib/detector.ts';
import type { HdError } from '../../lib/error.ts';
import { native } from '../../lib/native.ts';
import { type Recipe, resolveRecipe } from '../../lib/recipe/index.ts';
import { exportMetadata } from '../../lib/trainer/start.ts';
import { temporaryFolder } from '../faults/command.ts';
import { writePng, writeSafetensors } from './cli/files.ts';
import { openTrain, recipeOf, writeStudent } from './trainer/fixtures.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

const student = join(folder, 'student.safetensors');
const foreign = join(folder, 'foreign.safetensors');
/** Everything is a detection: what an untrained network finds is enough to look at. */
const recipe = recipeOf({ eval: { scoreThreshold: 0, iouThreshold: 1, maxDetections: 5 } });
const names = ['circle', 'square', 'triangle', 'star'];
const pictures = [1, 2, 3].map((i) => join(folder, `p${i}.png`));

before(async () => {
  await writeStudent(student, recipe);
  await native().importWeights(student, foreign, { format: 'hdtrain-import-1' });
  for (const [i, path] of pictures.entries()) writePng(path, 64 + 16 * i, 48, i);
});

/** Loads, uses and closes. */
async function using<T>(loading: Promise<Detector>, use: (detector: Detector) => T | Promise<T>): Promise<T> {
  const detector = await loading;
  try {
    return await use(detector);
  } finally {
    detector.close();
  }
}

describe('loading', () => {
  test('weights of a run describe themselves: network, classes, size, thresholds', async () => {
    await using(Detector.load(student), ({ recipe: own, classes, report }) => {
      assert.deepEqual(classes, names);
      assert.deepEqual([own.model.neckChannels, own.data.size, own.eval.maxDetections], [32, 64, 5]);
      assert.deepEqual([report.missing, report.unexpected, report.wrongShape], [[], [], []]);
      assert.ok(report.matched.length > 100);
    });
  });
  test('whatever number the run was measured by', async () => {
    for (const eval_ of [
      { metric: 'lvis', best: 'ap', maxDetections: 300 },
      { metric: 'voc', best: 'ap50', interpolation: '11point' },
      { metric: 'coco', best: 'apSmall' },
    ]) {
      const path = join(folder, `by-${eval_.metric}-${eval_.best}.safetensors`);
      const measured = { ...recipe, eval: { ...recipe.eval, ...eval_ } } as Recipe;
      await writeStudent(path, measured);
      await using(Detector.load(path), ({ recipe: own }) => assert.equal(own.eval.metric, 'coco'));
    }
  });
  test('by names of the caller, as many as there are', async () => {
    const own = ['a', 'b', 'c', 'd'];
    await using(Detector.load(student, { classes: own }), ({ classes }) => assert.deepEqual(classes, own));
    await assert.rejects(Detector.load(student, { classes: ['a'] }), {
      code: 'HD_USAGE',
      message: /expected 4 names for classes, .* received 1/,
    });
  });
  test('with more classes than its data had', async () => {
    const path = join(folder, 'spare.safetensors');
    await writeStudent(path, recipeOf({ model: { classes: 6 } }));
    await using(Detector.load(path), ({ classes }) =>
      assert.deepEqual(classes, [...names, 'unused 4', 'unused 5']),
    );
  });
  test('foreign weights need a recipe, and say so', async () => {
    await assert.rejects(Detector.load(foreign), {
      code: 'HD_WEIGHTS_UNDESCRIBED',
      where: foreign,
      exitCode: 4,
      message: /--config/,
    });
  });
  test('classes of a recipe: given, listed, or counted; auto alone is not enough', async () => {
    const load = (given: Recipe, classes?: string[]) =>
      using(Detector.load(foreign, { recipe: given, ...(classes ? { classes } : {}) }), (it) => it.classes);
    assert.deepEqual(await load(recipe, names), names);
    assert.deepEqual(await load(recipeOf({ model: { classes: names } })), names);
    assert.deepEqual(await load(recipeOf({ model: { classes: 4 } })), ['0', '1', '2', '3']);
    await assert.rejects(load(recipe), { code: 'HD_USAGE', message: /model\.classes/ });
  });
  test('weights of another network are refused, and the next load works', async () => {
    const other = recipeOf({ model: { neckChannels: 64, classes: 4 } });
    await assert.rejects(Detector.load(student, { recipe: other }), { code: 'HD_WEIGHTS_MISMATCH' });
    const fewer = recipeOf({ model: { classes: 3 } });
    await assert.rejects(Detector.load(student, { recipe: fewer }), { code: 'HD_WEIGHTS_MISMATCH' });
    await using(Detector.load(student), () => {});
  });
  test('a missing file is told before anything else', async () => {
    await assert.rejects(Detector.load(join(folder, 'none.pth')), { code: 'HD_WEIGHTS_MISSING' });
  });
  test("threads are the detector's own: the caller's recipe stays as it was", async () => {
    const given = recipeOf({ model: { classes: 4 }, train: { threads: 1 } });
    await using(Detector.load(student, { recipe: given, threads: 2 }), (detector) => {
      assert.equal(detector.recipe.train.threads, 2);
      assert.equal(given.train.threads, 1);
    });
  });
  for (const threads of [0, -3, 1.5, 1025, 1e9, Number.NaN]) {
    test(`${threads} threads are refused`, async () => {
      await assert.rejects(Detector.load(student, { threads }), { code: 'HD_USAGE', message: /1 to 1024/ });
    });
  }
});

describe('a description that cannot be trusted', () => {
  const good = exportMetadata(recipe, names);
  const cases: [string, Record<string, string>][] = [
    ['no JSON', { model: '{' }],
    ['null', { model: 'null' }],
    ['a list', { model: '[]' }],
    ['no classes', { model: '{}' }],
    ['a number of classes', { model: '{"classes":4}' }],
    ['classes that are no names', { model: '{"classes":[1,2]}' }],
    ['a class twice', { model: '{"classes":["a","a"]}' }],
    ['an unknown backbone', { model: '{"classes":["a"],"backbone":"vgg"}' }],
    ['an unknown field', { model: '{"classes":["a"],"__proto__x":1}' }],
    ['a monstrous network', { model: '{"classes":["a"],"neckChannels":1e9}' }],
    ['a size of zero', { size: '0' }],
    ['a size that is text', { size: '"64"' }],
    ['thresholds beyond all sense', { eval: '{"scoreThreshold":7}' }],
    ['an evaluation that is a list', { eval: '[1]' }],
  ];
  for (const [i, [what, change]] of cases.entries()) {
    test(`${what}: refused with the file, exit 4`, async () => {
      const path = join(folder, `described-${i}.safetensors`);
      writeSafetensors(path, { w: { shape: [1], values: [1] } }, { ...good, ...change });
      await assert.rejects(Detector.load(path), (error: HdError) => {
        assert.deepEqual([error.code, error.where, error.exitCode], ['HD_WEIGHTS_UNDESCRIBED', path, 4]);
        return true;
      });
    });
  }
  test('a path in it is not followed', async () => {
    const path = join(folder, 'lures.safetensors');
    const model = JSON.stringify({ ...JSON.parse(good.model ?? ''), weights: '/dev/zero', init: 'backbone' });
    writeSafetensors(path, { w: { shape: [1], values: [1] } }, { ...good, model });
    // It comes as far as comparing the tensors of this file.
    await assert.rejects(Detector.load(path), { code: 'HD_WEIGHTS_MISMATCH' });
  });
});

describe('detecting', () => {
  test('files: detections in their order, in pixels of the file, best first', async () => {
    await using(Detector.load(student), async (detector) => {
      const progress: number[] = [];
      const { detections, failed } = await detector.detectFiles(pictures, (done) => progress.push(done));
      assert.deepEqual([detections.length, failed, progress.at(-1)], [3, [], 3]);
      for (const [i, found] of detections.entries()) {
        assert.equal(found.length, 5);
        for (const { box, score, label, class: name } of found) {
          const [x1, y1, x2, y2] = box;
          assert.ok(0 <= x1 && x1 <= x2 && x2 <= 64 + 16 * i && 0 <= y1 && y1 <= y2 && y2 <= 48, String(box));
          assert.ok(score >= 0 && score <= 1);
          assert.equal(name, names[label]);
        }
        const scores = found.map(({ score }) => score);
        assert.deepEqual(
          scores,
          [...scores].sort((a, b) => b - a),
        );
      }
    });
  });
  test('a file alone is found as it is among others, at either place', async () => {
    await using(Detector.load(student), async (detector) => {
      const [a, , b] = (await detector.detectFiles(pictures)).detections;
      assert.deepEqual((await detector.detectFiles(pictures.slice(0, 1))).detections[0], a);
      assert.deepEqual((await detector.detectFiles([...pictures].reverse())).detections[0], b);
    });
  });
  test('damaged files are told and stand for nothing, however many they are', async () => {
    const [whole = ''] = pictures;
    const bad = Array.from({ length: 25 }, (_, i) => join(folder, `bad-${i}.png`));
    for (const path of bad) writeFileSync(path, 'no picture');
    const gone = join(folder, 'gone.png');
    await using(Detector.load(student), async (detector) => {
      const { detections, failed } = await detector.detectFiles([...bad, gone, whole]);
      assert.deepEqual(failed.map(({ file }) => file).sort(), [...bad, gone].sort());
      for (const { code, message } of failed) assert.ok(/^HD_DATA/.test(code) && message.length > 10);
      assert.deepEqual(
        detections.map((found) => found.length),
        [...bad.map(() => 0), 0, 5],
      );
      assert.equal((await detector.detectFiles(bad)).failed.length, 25);
    });
  });
  test('no files at all are refused', async () => {
    await using(Detector.load(student), async (detector) => {
      await assert.rejects(detector.detectFiles([]), { code: 'HD_DATA_EMPTY' });
    });
  });
  test('a data set with truth is scored, with the classes of the weights', async () => {
    await using(Detector.load(student), async (detector) => {
      const { metrics } = await detector.evaluate(await openTrain(recipe));
      assert.deepEqual([metrics.images, metrics.detections], [12, 60]);
      assert.ok((metrics.ap as number) >= 0);
    });
  });
  test('two detectors live side by side; a closed one says so', async () => {
    const [first, second] = [await Detector.load(student), await Detector.load(student)];
    const [a, b] = await Promise.all([first.detectFiles(pictures), second.detectFiles(pictures)]);
    assert.deepEqual(a.detections, b.detections);
    first.close();
    first.close();
    await assert.rejects(first.detectFiles(pictures), { code: 'HD_USAGE' });
    assert.deepEqual((await second.detectFiles(pictures)).detections, b.detections);
    second.close();
  });
});

test('a recipe object of foreign weights: evaluation thresholds are those of the recipe', async () => {
  const { recipe: given } = resolveRecipe({
    model: { backbone: 'resnet18', neckChannels: 32, headChannels: 32, headConvs: 1, classes: names },
    data: { format: 'source', train: {}, size: 64 },
    eval: { scoreThreshold: 0, iouThreshold: 1, maxDetections: 2 },
  });
  await using(Detector.load(foreign, { recipe: given }), async (detector) => {
    const { detections } = await detector.detectFiles(pictures);
    assert.deepEqual(
      detections.map((found) => found.length),
      [2, 2, 2],
    );
  });
});
