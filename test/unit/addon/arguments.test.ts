/** What JavaScript may hand to native code, and what happens when it hands something else. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { HdError } from '../../../lib/error.ts';
import { type NativeDataset, type NativeLoader, type NativeSession, native } from '../../../lib/native.ts';
import { openLoader, sessionOptions } from '../../../lib/trainer/setup.ts';
import { recipeOf } from '../trainer/fixtures.ts';

const recipe = recipeOf();
const step = {
  step: 0,
  learningRates: [0.001],
  emaDecay: 0,
  lossWeights: {},
  clipNorm: 0,
  readLosses: true,
};

let dataset: NativeDataset;
let session: NativeSession;
let loader: NativeLoader;
before(async () => {
  dataset = await native().openDataset({
    format: 'synthetic',
    count: 6,
    split: 'train',
    seed: 1,
    size: [64, 64],
  });
  session = await native().createSession(sessionOptions(recipe, dataset.classes.length, true));
  loader = openLoader(recipe, dataset, true, session.divisor);
});
after(() => {
  loader.close();
  session.close();
});

/** The error of a call that throws or rejects. */
async function errorOf(call: () => unknown): Promise<HdError> {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof HdError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'nothing was thrown' });
}

describe('plain data', () => {
  test('functions and symbols inside options are refused, not dropped', async () => {
    for (const value of [() => 1, Symbol('x')]) {
      const { code } = await errorOf(() =>
        native().openDataset({ format: 'synthetic', count: value as never }),
      );
      assert.equal(code, 'HD_USAGE');
    }
  });

  test('an object that contains itself is refused instead of followed for ever', async () => {
    const knot: Record<string, unknown> = { format: 'synthetic' };
    knot.size = knot;
    assert.equal((await errorOf(() => native().openDataset(knot))).code, 'HD_USAGE');
  });

  test('undefined is null: a member that is not given', async () => {
    const opened = await native().openDataset({
      format: 'synthetic',
      count: 2,
      split: 'val',
      seed: undefined,
      size: [64, 64],
    });
    assert.equal(opened.length, 2);
  });

  test('an unknown format names those there are', async () => {
    const { code, message } = await errorOf(() => native().openDataset({ format: 'tarot' }));
    assert.equal(code, 'HD_DATA_FORMAT_UNKNOWN');
    assert.match(message, /coco.*synthetic.*voc.*yolo/);
  });
});

describe('objects of the addon', () => {
  test('another object in the place of a loader or evaluator is refused by what was expected', async () => {
    for (const wrong of [{}, dataset, null, 'loader']) {
      const { code, message } = await errorOf(() => session.step(wrong as never, step));
      assert.equal(code, 'HD_USAGE');
      assert.match(message, /a loader made by the same addon/);
    }
    const { message } = await errorOf(() => session.detect(loader, {} as never, {}));
    assert.match(message, /an evaluator made by the same addon/);
  });

  test('closed twice is closed; a call after that is refused and says so', async () => {
    const own = await native().createSession(sessionOptions(recipe, 2, false));
    own.close();
    own.close();
    for (const call of [() => own.describe(64, 64), () => own.profile(), () => own.parameterInfo]) {
      const { code, message } = await errorOf(call);
      assert.equal(code, 'HD_USAGE');
      assert.match(message, /closed/);
    }
    const second = openLoader(recipe, dataset, true, 32);
    second.close();
    second.close();
    assert.equal((await errorOf(async () => second.next())).code.startsWith('HD_'), true);
  });

  test('an error of a thread keeps the stack of the JavaScript call', async () => {
    const { stack = '', code } = await errorOf(async function theCaller() {
      await session.loadWeights('/nowhere/weights.safetensors', 'strict');
    });
    assert.match(code, /^HD_/);
    assert.match(stack, /arguments\.test/);
  });

  test('a step with too few learning rates changes nothing and the next one works', async () => {
    loader.begin(0, 0);
    const { message } = await errorOf(() => session.step(loader, { ...step, learningRates: [] }));
    assert.match(message, /learning rates/);
    const output = await session.step(loader, step);
    assert.equal(output.done, true);
    assert.ok((output.losses?.total ?? 0) > 0);
  });

  test('a teacher that does not exist cannot detect', async () => {
    const evaluator = new (native().Evaluator)(dataset);
    loader.begin(0, 0);
    const { code } = await errorOf(() => session.detect(loader, evaluator, { teacher: 3 }));
    assert.equal(code, 'HD_USAGE');
  });
});

describe('views of slot memory', () => {
  test('are detached when their slot goes on, and their truth stays', async () => {
    const own = openLoader(recipe, dataset, true, 32);
    own.begin(0, 0);
    const first = await own.next();
    assert.ok(first && first.pixels.byteLength === first.count * first.height * first.width * 3);
    const boxes = first.images[0]?.boxes;
    await own.next();
    assert.equal(first.pixels.byteLength, 0);
    assert.equal((boxes?.length ?? 1) % 4, 0);
    own.close();
  });
});

test('worker threads have an addon of their own and end without waiting for ours', async () => {
  const script = `
    import { parentPort } from 'node:worker_threads';
    import { native } from ${JSON.stringify(new URL('../../../dist/native.js', import.meta.url).href)};
    const set = await native().openDataset({ format: 'synthetic', count: 3, split: 'train', seed: 1, size: [64, 64] });
    parentPort.postMessage(set.length);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`));
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  const length = await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  assert.equal(length, 3);
  assert.equal(await ended, 0);
  assert.equal(dataset.length, 6);
});
