import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { Trainer } from '../../../lib/index.ts';
import { averageDecay, averagingStart } from '../../../lib/trainer/average.ts';
import { recipeOf } from './fixtures.ts';

const timeline = { stepsPerEpoch: 100, totalSteps: 1200 };
const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} ≠ ${expected}`);
const swaOf = (change: object = {}) =>
  ({ from: 0.75, every: 1, unit: 'epochs', lr: null, ...change }) as {
    from: number;
    every: number;
    unit: 'epochs' | 'steps' | 'run';
    lr: null;
  };

/** What a run whose weights after a step are the number of the step ends with. */
function averageAt(end: number, swa: ReturnType<typeof swaOf>, of = timeline): number {
  let average = -1;
  for (let step = 0; step <= end; ++step) {
    const decay = averageDecay(step, { ema: null, swa }, of);
    average = decay * average + (1 - decay) * step;
  }
  return average;
}

test('without an average it is the weights', () =>
  near(averageDecay(10, { ema: null, swa: null }, timeline), 0));

test('EMA decay rises to its value', () => {
  const decayAt = (step: number, ema: { decay: number; warmup: number }) =>
    averageDecay(step, { ema, swa: null }, timeline);
  near(decayAt(0, { decay: 0.999, warmup: 0 }), 0.999);
  near(decayAt(1999, { decay: 0.9998, warmup: 2000 }), 0.9998 * (1 - Math.exp(-1)));
  assert.ok(decayAt(10, { decay: 0.9998, warmup: 2000 }) < 0.01);
});

describe('SWA', () => {
  test('is the mean of the weights at the ends of the last epochs', () => {
    near(averageAt(1199, swaOf()), (999 + 1099 + 1199) / 3);
    near(
      averageAt(1199, swaOf({ from: 0 })),
      Array.from({ length: 12 }, (_, i) => i * 100 + 99).reduce((a, b) => a + b) / 12,
    );
  });
  test('is the weights until averaging begins, and what has entered it afterwards', () => {
    near(averageAt(500, swaOf()), 500);
    near(averageAt(998, swaOf()), 998);
    near(averageAt(999, swaOf()), 999);
    near(averageAt(1050, swaOf()), 999);
    near(averageAt(1150, swaOf()), (999 + 1099) / 2);
  });
  test('counts in steps and shares of the run, and always takes the last weights', () => {
    near(averageAt(1199, swaOf({ every: 150, unit: 'steps' })), (1199 + 1049) / 2);
    near(averageAt(1199, swaOf({ every: 0.1, unit: 'run' })), (1199 + 1079 + 959) / 3);
    near(averageAt(1199, swaOf({ every: 5, unit: 'run' })), 1199);
    near(averageAt(0, swaOf(), { stepsPerEpoch: 1, totalSteps: 1 }), 0);
  });
  test('ends with the plain mean of every n-th weights counted from the end, whatever the numbers', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.integer({ min: 1, max: 400 }),
        (totalSteps, from, every) => {
          const of = { stepsPerEpoch: 7, totalSteps };
          const swa = swaOf({ from, every, unit: 'steps' });
          const taken = [];
          for (let step = totalSteps - 1; step >= averagingStart(swa, of); step -= every) taken.push(step);
          near(averageAt(totalSteps - 1, swa, of), taken.reduce((a, b) => a + b, 0) / taken.length);
        },
      ),
    );
  });
});

/** The 32-bit floats of a safetensors file by tensor. */
function tensorsOf(path: string): Map<string, Float32Array> {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header: Record<string, { dtype: string; data_offsets: [number, number] }> = JSON.parse(
    bytes.subarray(8, start).toString(),
  );
  const tensors = new Map<string, Float32Array>();
  for (const [name, { dtype, data_offsets: offsets }] of Object.entries(header)) {
    if (dtype !== 'F32') continue;
    const data = bytes.subarray(start + offsets[0], start + offsets[1]);
    tensors.set(name, new Float32Array(new Uint8Array(data).buffer));
  }
  return tensors;
}

test('a run with SWA hands out the mean of the weights of its last epochs', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hdtrain-average-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const recipe = recipeOf({
    data: { train: { count: 4 } },
    train: { epochs: 4, swa: { from: 0.5 } },
    checkpoint: { keep: 4 },
  });
  await new Trainer(recipe, { run: join(folder, 'swa') }).run();
  const run = (name: string) => tensorsOf(join(folder, 'swa', name));
  const [third, fourth] = [3, 4].map((step) =>
    run(`checkpoints/step-${String(step).padStart(10, '0')}/weights.safetensors`),
  );
  let moved = 0;
  const student = run('student.safetensors');
  assert.ok(student.size > 50);
  for (const [name, mean] of student) {
    const [before, last] = [third?.get(`model/${name}`), fourth?.get(`model/${name}`)];
    assert.ok(before && last, name);
    for (const [i, value] of mean.entries()) {
      const [a, b] = [before[i] ?? Number.NaN, last[i] ?? Number.NaN];
      assert.ok(Math.abs(value - (a + b) / 2) <= 1e-5 * (Math.abs(a) + Math.abs(b)) + 1e-7, `${name} ${i}`);
      if (a !== b) moved += 1;
    }
  }
  assert.ok(moved > 1000);
});
