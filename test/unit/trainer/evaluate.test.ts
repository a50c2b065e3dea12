import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { HdError } from '../../../lib/index.ts';
import { type NativeDataset, type NativeSession, native } from '../../../lib/native.ts';
import { type EvaluationWatch, evaluatePass } from '../../../lib/trainer/evaluate.ts';
import { detectOptions, openLoader, sessionOptions } from '../../../lib/trainer/setup.ts';
import { openSource } from '../../../lib/trainer/source.ts';
import { fakeSession, openTrain, recipeOf, type Sections } from './fixtures.ts';

let dataset: NativeDataset;
before(async () => {
  dataset = await openTrain(recipeOf());
});

/** A pass over the twelve pictures with a session that is given. */
async function pass(session: NativeSession, sections: Sections = {}, watch: EvaluationWatch = {}) {
  const recipe = recipeOf(sections);
  const loader = openLoader(recipe, dataset, false, 32);
  const done: number[] = [];
  try {
    const result = await evaluatePass(recipe, session, dataset, loader, {
      progress: (count) => done.push(count),
      ...watch,
    });
    return { ...result, done };
  } finally {
    loader.close();
  }
}

/** Finds nothing, but takes the batches. */
const blind = (seen: unknown[] = []) =>
  fakeSession({
    detect: async (loader, _evaluator, options) => {
      seen.push(options);
      return { images: (await loader.next())?.count ?? 0 };
    },
  });

describe('evaluatePass', () => {
  test('takes every picture once and says how far it is after each batch', async () => {
    const { done, metrics } = await pass(blind(), { train: { batch: 5 } });
    assert.deepEqual(done, [5, 10, 12, 12]);
    assert.deepEqual([metrics.images, metrics.detections], [12, 0]);
  });
  test('begins anew each time: a loader serves many passes', async () => {
    const recipe = recipeOf();
    const loader = openLoader(recipe, dataset, false, 32);
    for (let i = 0; i < 2; ++i) {
      let last = 0;
      await evaluatePass(recipe, blind(), dataset, loader, {
        progress(count) {
          last = count;
        },
      });
      assert.equal(last, 12);
    }
    loader.close();
  });
  test('candidates become detections as the recipe says, in every batch', async () => {
    const seen: unknown[] = [];
    const sections = { eval: { scoreThreshold: 0.3, iouThreshold: 0.4 } };
    await pass(blind(seen), sections);
    assert.ok(seen.length >= 3);
    for (const options of seen) assert.deepEqual(options, detectOptions(recipeOf(sections)));
  });
  test('the metric of the recipe is the one that is computed', async () => {
    const coco = (await pass(blind())).metrics;
    assert.ok('apSmall' in coco && 'ar100' in coco);
    const voc = (await pass(blind(), { eval: { metric: 'voc', interpolation: '11point' } })).metrics;
    assert.ok(!('apSmall' in voc) && typeof voc.ap50 === 'number');
    const rows = coco.perClass as { name: string; truths: number }[];
    assert.deepEqual(
      rows.map(({ name }) => name),
      dataset.classes,
    );
  });
  test('what detection throws is what the caller sees', async () => {
    const failure = new HdError('HD_DIVERGED', 'boxes are not finite');
    await assert.rejects(
      pass(fakeSession({ detect: () => Promise.reject(failure) })),
      (error) => error === failure,
    );
  });
  test('memory that runs out: fewer pictures at once, told each time; the same detections', async () => {
    const recipe = recipeOf();
    const session = await native().createSession(sessionOptions(recipe, dataset.classes.length, false));
    const sections = { train: { batch: 8 }, eval: { scoreThreshold: 0, maxDetections: 5 } };
    const whole = await pass(session, sections);
    const told: string[] = [];
    const faults = ['memory', 'memory', ''];
    const halved = await pass(session, sections, {
      warn: (message) => told.push(message),
      fault: () => faults.shift() ?? '',
    });
    // The second batch has four pictures: the limit of four is halved by what the second fault finds.
    assert.deepEqual(
      told.map((message) => /detected (\d+) at once/.exec(message)?.[1]),
      ['4', '2'],
    );
    assert.deepEqual(halved.done, [8, 12, 12]);
    assert.deepEqual(halved.metrics, whole.metrics);
    for (let image = 0; image < dataset.length; ++image) {
      const [a, b] = [halved.evaluator.detections(image), whole.evaluator.detections(image)];
      assert.deepEqual([...a.labels], [...b.labels]);
      for (const [i, score] of a.scores.entries())
        assert.ok(Math.abs(score - (b.scores[i] ?? Number.NaN)) < 1e-5);
    }
    let count = 0;
    const warn = (message: string) => {
      count += told.push(message) > 0 ? 1 : 0;
    };
    await pass(session, sections, { warn }); // the limit is known: nothing runs out
    assert.equal(count, 0);
    await assert.rejects(pass(session, sections, { warn, fault: () => 'memory' }), {
      code: 'HD_MEMORY',
      message: /one picture of 64×64/,
    });
    session.close();
  });
  test('a real session: detections of every picture land in the evaluator', async () => {
    const recipe = recipeOf();
    const session = await native().createSession(sessionOptions(recipe, dataset.classes.length, false));
    const { evaluator, metrics, seconds } = await pass(session, {
      eval: { scoreThreshold: 0, iouThreshold: 1, maxDetections: 3 },
    });
    session.close();
    for (let image = 0; image < dataset.length; ++image) {
      const { boxes, scores, labels } = evaluator.detections(image);
      assert.deepEqual([boxes.length, scores.length, labels.length], [12, 3, 3]);
      assert.deepEqual(
        [...scores],
        [...scores].sort((a, b) => b - a),
      );
    }
    assert.equal(metrics.detections, 36);
    assert.ok(seconds > 0);
  });
});

describe('pictures of many shapes', () => {
  const shapes: [number, number][] = Array.from({ length: 12 }, (_, i) =>
    i % 3 === 0 ? [96, 32] : i % 3 === 1 ? [32, 96] : [96, 64 + i],
  );
  const get = (index: number) => {
    const [width, height] = shapes[index] as [number, number];
    const image = new Uint8Array(width * height * 3).fill(20 * index);
    return { image, width, height, boxes: [[2, 2, width - 2, height - 2]], labels: [0] };
  };
  const source = { length: shapes.length, classes: ['thing'], sizes: shapes, get };
  const shaped = openSource(source, { training: false }).dataset;

  /** One pass, and what the batches of it were. */
  async function over(groupByAspect: boolean) {
    const recipe = recipeOf({
      data: { groupByAspect, size: 96 },
      train: { batch: 4 },
      eval: { scoreThreshold: 0, iouThreshold: 1, maxDetections: 5 },
    } as Sections);
    const loader = openLoader(recipe, shaped, false, 32);
    const order: number[] = [];
    let [room, filled] = [0, 0];
    loader.begin(0, 0);
    for (let batch = await loader.next(); batch; batch = await loader.next()) {
      room += batch.count * batch.width * batch.height;
      for (const { image, width, height } of batch.images) {
        order.push(image);
        filled += width * height;
      }
      loader.release();
    }
    const session = await native().createSession(sessionOptions(recipe, 1, false));
    try {
      const { evaluator, metrics } = await evaluatePass(recipe, session, shaped, loader);
      return { order, padded: 1 - filled / room, evaluator, metrics };
    } finally {
      session.close();
      loader.close();
    }
  }

  test('are taken in the order of their aspect, which pads less, and reported in their own', async () => {
    const [plain, grouped] = [await over(false), await over(true)];
    assert.deepEqual(plain.order, [...shapes.keys()]);
    assert.deepEqual(
      [...grouped.order].sort((a, b) => a - b),
      plain.order,
    );
    const aspects = grouped.order.map((image) => (shapes[image]?.[1] ?? 0) / (shapes[image]?.[0] ?? 1));
    assert.deepEqual(
      aspects,
      [...aspects].sort((a, b) => a - b),
    );
    assert.ok(plain.padded > 0.4 && grouped.padded < 0.2, `${plain.padded} and ${grouped.padded}`);
    assert.equal(grouped.metrics.images, shapes.length);
    for (const [image, [width, height]] of shapes.entries()) {
      const { boxes, scores } = grouped.evaluator.detections(image);
      assert.equal(scores.length, 5);
      // Each in the frame of its own picture: another's would reach beyond it.
      for (const [i, edge] of boxes.entries()) assert.ok(edge <= (i % 2 === 0 ? width : height), `${image}`);
      assert.ok(Math.max(...boxes.filter((_, i) => i % 2 === 0)) > width / 2);
    }
  });
});
