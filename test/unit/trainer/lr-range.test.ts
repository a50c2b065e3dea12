import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rangeRate, rangeTest, suggestRate } from '../../../lib/trainer/lr-range.ts';

const options = { from: 1e-4, to: 1, steps: 101 };

describe('the rates of the test', () => {
  test('rise by equal factors from the first to the last', () => {
    assert.equal(rangeRate(options, 0), 1e-4);
    assert.ok(Math.abs(rangeRate(options, 100) - 1) < 1e-12);
    const factors = [1, 2, 50].map((i) => rangeRate(options, i) / rangeRate(options, i - 1));
    for (const factor of factors) assert.ok(Math.abs(factor - 10 ** 0.04) < 1e-9);
  });
  test('a single step takes the first', () => assert.equal(rangeRate({ ...options, steps: 1 }, 0), 1e-4));
});

describe('the test', () => {
  test('a constant loss is its own mean from the first step on', async () => {
    const points = await rangeTest({ ...options, steps: 20 }, async () => 2);
    assert.equal(points.length, 20);
    for (const { smooth } of points) assert.ok(Math.abs(smooth - 2) < 1e-12);
  });
  test('ends when the loss explodes, is no number, or the step says so', async () => {
    const explodes = await rangeTest(options, async (lr) => 1 + (lr > 0.01 ? 1e4 * lr : 0));
    assert.ok(explodes.length < 60);
    assert.equal((await rangeTest(options, async (_, i) => (i < 7 ? 1 : Number.NaN))).length, 7);
    assert.equal((await rangeTest(options, async (_, i) => (i < 5 ? 1 : null))).length, 5);
  });
  test('every rate is tried once, in order', async () => {
    const seen: number[] = [];
    await rangeTest({ ...options, steps: 10 }, async (lr, i) => {
      assert.equal(seen.length, i);
      seen.push(lr);
      return 1;
    });
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
    );
  });
});

describe('the suggestion', () => {
  /** Flat, then falling around 1e-2, then rising from 1e-1 on: the curve of the literature. */
  const curve = (lr: number) => 3 - 2 / (1 + (1e-2 / lr) ** 2) + (lr > 0.1 ? 10 * (lr - 0.1) : 0);
  test('is where the smoothed loss falls fastest', async () => {
    const rate = suggestRate(await rangeTest(options, async (lr) => curve(lr)));
    assert.ok(rate !== null && rate > 5e-3 && rate < 6e-2, String(rate));
  });
  test('is none when nothing falls, or too little was seen', async () => {
    assert.equal(suggestRate(await rangeTest(options, async (_, i) => 1 + i)), null);
    assert.equal(suggestRate(await rangeTest({ ...options, steps: 9 }, async (lr) => curve(lr))), null);
    assert.equal(suggestRate([]), null);
  });
});
