import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { NativeDataset } from '../../../../lib/native.ts';
import { earlyStopHook } from '../../../../lib/trainer/hooks/early-stop.ts';
import { contextOf, openTrain, recipeOf } from '../fixtures.ts';

let trainSet: NativeDataset;
before(async () => {
  trainSet = await openTrain(recipeOf());
});

/** A run whose evaluations give these values; the step at which it was stopped, or null. */
async function stoppedAt(
  earlyStop: { patience?: number; minDelta?: number } | null,
  values: readonly number[],
  hook = earlyStopHook(),
): Promise<number | null> {
  const context = contextOf(recipeOf({ train: { earlyStop } }), { trainSet });
  await hook.onStart?.(context);
  for (const [i, ap] of values.entries()) {
    if (context.stopped !== null) return i * 10;
    hook.onEvent?.({ type: 'eval', step: (i + 1) * 10, epoch: i, eval: { ap }, seconds: 0, best: false });
  }
  return context.stopped === null ? null : values.length * 10;
}

describe('early stop', () => {
  test('off by default, whatever the values', async () => {
    assert.equal(await stoppedAt(null, [0.5, 0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0, 0, 0, 0]), null);
  });
  test('after `patience` evaluations without progress', async () => {
    assert.equal(await stoppedAt({ patience: 2 }, [0.1, 0.2, 0.2, 0.15, 0.9]), 40);
    assert.equal(await stoppedAt({ patience: 3 }, [0.1, 0.2, 0.2, 0.15, 0.3]), null);
  });
  test('a gain of no more than minDelta is no progress; the best stays what it was', async () => {
    assert.equal(await stoppedAt({ patience: 2, minDelta: 0.05 }, [0.1, 0.14, 0.15, 0.3]), 30);
    assert.equal(await stoppedAt({ patience: 2, minDelta: 0.05 }, [0.1, 0.14, 0.16, 0.2]), null);
  });
  test('the first value always counts, also a 0', async () => {
    assert.equal(await stoppedAt({ patience: 1 }, [0, 0]), 20);
  });
  test('an evaluation without the metric is one without progress', async () => {
    assert.equal(await stoppedAt({ patience: 2 }, [0.1, Number.NaN, Number.NaN]), 30);
  });
  test('a resumed run goes on counting, and a stopped one stops at once', async () => {
    const first = earlyStopHook();
    assert.equal(await stoppedAt({ patience: 3 }, [0.5, 0.4, 0.3], first), null);
    const second = earlyStopHook();
    second.restore?.(JSON.parse(JSON.stringify(first.state?.())));
    assert.equal(await stoppedAt({ patience: 3 }, [0.45], second), 10);
    const third = earlyStopHook();
    third.restore?.(second.state?.());
    assert.equal(await stoppedAt({ patience: 3 }, [0.9], third), 0);
  });
  test('state before the first evaluation is plain data', () => {
    const state = JSON.parse(JSON.stringify(earlyStopHook().state?.()));
    const hook = earlyStopHook();
    hook.restore?.(state);
    assert.deepEqual(hook.state?.(), state);
  });
});
