import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HdError } from '../../../lib/index.ts';
import type { BadSample, DetectOutput, NativeLoader } from '../../../lib/native.ts';
import { detectAll, type Watch } from '../../../lib/trainer/detect.ts';

/** A pass whose batches are given; `begun` is told where it starts, `done` how far it is. */
async function pass(
  outputs: DetectOutput[],
  more: Watch & { enough?: number } = {},
  bad: BadSample[][] = [],
) {
  const begun: number[][] = [];
  const done: number[] = [];
  let calls = 0;
  let badSamples = 0;
  const statistics = () => {
    const newBadSamples = bad[calls - 1] ?? [];
    badSamples += newBadSamples.length;
    return { newBadSamples, badSamples };
  };
  const begin = (...place: number[]) => begun.push(place);
  const { done: count, failed } = await detectAll(
    { begin, statistics } as unknown as NativeLoader,
    async () => outputs[calls++] ?? { images: 0 },
    { progress: (pictures) => done.push(pictures), ...more },
  );
  return { count, begun, done, calls, ...(bad.length > 0 ? { failed } : {}) };
}

describe('detectAll', () => {
  test('goes on to the end of the pass, from its beginning, and says how far it is', async () => {
    assert.deepEqual(await pass([{ images: 4 }, { images: 4 }, { images: 1 }]), {
      count: 9,
      begun: [[0, 0]],
      done: [4, 8, 9, 9],
      calls: 4,
    });
  });
  test('a pass without pictures is over at once', async () => {
    assert.deepEqual(await pass([]), { count: 0, begun: [[0, 0]], done: [0], calls: 1 });
  });
  test('takes no batch beyond what is enough', async () => {
    const batches = [{ images: 4 }, { images: 4 }, { images: 4 }];
    assert.deepEqual(await pass(batches, { enough: 5 }), {
      count: 8,
      begun: [[0, 0]],
      done: [4, 8],
      calls: 2,
    });
    assert.equal((await pass(batches, { enough: 4 })).calls, 1);
    assert.equal((await pass(batches, { enough: 100 })).count, 12);
  });
  test('tells of memory each time that it runs out, whatever that batch held', async () => {
    const told: string[] = [];
    const outputs = [{ images: 8, atOnce: 4 }, { images: 8 }, { images: 2, atOnce: 1 }];
    await pass(outputs, { warn: (message) => told.push(message) });
    assert.deepEqual(
      told.map(
        (message) => /^out of memory: .* detected (\d) at once; the results stay the same/.exec(message)?.[1],
      ),
      ['4', '1'],
    );
    assert.equal((await pass(outputs)).count, 18); // nobody listens
  });
  test('names pictures that could not be read, when their batch is done and at the end', async () => {
    const sample = (image: number): BadSample => ({
      image,
      file: `${image}.jpg`,
      code: 'HD_DATA_IMAGE',
      message: 'x',
    });
    const told: [number[], number][] = [];
    const { failed } = await pass(
      [{ images: 2 }, { images: 4 }, { images: 1 }],
      { failed: (samples, total) => told.push([samples.map(({ image }) => image), total]) },
      [[sample(3), sample(5)], [], [sample(9)]],
    );
    assert.deepEqual(told, [
      [[3, 5], 2],
      [[9], 3],
    ]);
    assert.deepEqual(
      failed?.map(({ file }) => file),
      ['3.jpg', '5.jpg', '9.jpg'],
    );
  });
  test('what a batch throws ends the pass', async () => {
    const failure = new HdError('HD_MEMORY', 'one picture is too much');
    const loader = { begin() {} } as unknown as NativeLoader;
    await assert.rejects(
      detectAll(loader, () => Promise.reject(failure)),
      (error) => error === failure,
    );
  });
});
