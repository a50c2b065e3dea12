import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StepOutput } from '../../../lib/native.ts';
import { StepMeter } from '../../../lib/trainer/meter.ts';

const timeline = { stepsPerEpoch: 10, totalSteps: 30 };

function output(step: number, losses?: Record<string, number>): StepOutput {
  return {
    done: true,
    epoch: Math.floor(step / 10),
    step: step % 10,
    images: 4,
    imageIds: [0, 1, 2, 3],
    accumulate: 1,
    positives: 8,
    gradientNorm: 1.5,
    waitSeconds: 0,
    seconds: 0,
    ...(losses ? { losses } : {}),
  };
}

test('tells at the first step, every n-th and the last, with means over what was read', () => {
  const meter = new StepMeter(timeline, 7);
  meter.start(0);
  const told: number[] = [];
  for (let step = 1; step <= 30; ++step) {
    const event = meter.record(step, 0.1, output(step, { total: step }));
    if (event) told.push(event.step);
    if (event?.step === 7) assert.equal(event.losses.total, (2 + 3 + 4 + 5 + 6 + 7) / 6);
    if (event) assert.equal(event.positives, 8);
  }
  assert.deepEqual(told, [1, 7, 14, 21, 28, 30]);
});

test('what happens between epochs is in no rate, wherever in an interval the epoch ends', async ({
  mock,
}) => {
  let clock = 0;
  mock.method(performance, 'now', () => clock);
  for (const stepsPerEpoch of [10, 7]) {
    const meter = new StepMeter({ stepsPerEpoch, totalSteps: 30 }, 10);
    meter.start(0);
    for (let step = 1; step <= 30; ++step) {
      clock += 20; // milliseconds, for four pictures
      const event = meter.record(step, 0.1, output(step, { total: 1 }));
      if (event)
        assert.ok(Math.abs(event.imagesPerSecond - 200) < 1e-6, `${event.imagesPerSecond} at ${step}`);
      if (event && step > 1) assert.ok(Math.abs(event.eta - 0.02 * (30 - step)) < 1e-9, `${event.eta}`);
      const evaluate = async () => {
        clock += 1000;
      };
      if (step % stepsPerEpoch === 0) await meter.without(evaluate);
    }
  }
});

test('losses are read at every step that tells, and not at most others', () => {
  const meter = new StepMeter({ stepsPerEpoch: 100, totalSteps: 1000 }, 50);
  const read = Array.from({ length: 100 }, (_, step) => step).filter((step) => meter.reads(step));
  assert.ok(read.includes(0) && read.includes(49) && read.includes(99));
  assert.ok(read.length <= 12, `${read.length} reads in 100 steps`);
});

test('the ETA shrinks to zero at the end', () => {
  const meter = new StepMeter({ stepsPerEpoch: 1, totalSteps: 3 }, 1);
  meter.start(0);
  const etas = [1, 2, 3].map((step) => meter.record(step, 0.1, output(step, { total: 1 }))?.eta ?? -1);
  assert.equal(etas[2], 0);
  assert.ok(etas.every((eta) => eta >= 0));
});

test('shares compare weighted terms and gradient norms, whatever their signs and units', () => {
  const meter = new StepMeter(timeline, 1);
  meter.start(0);
  const event = meter.record(1, 0.1, {
    ...output(1, { total: 1, a: 1, b: -3 }),
    weighted: { a: 1, b: -3 },
    termGradients: { a: 6, b: 2 },
    agreement: [{ rows: 4, sameClass: 0.5 }],
  });
  assert.deepEqual(event?.shares, { a: { loss: 0.25, gradient: 0.75 }, b: { loss: 0.75, gradient: 0.25 } });
  assert.deepEqual(event?.agreement, [{ rows: 4, sameClass: 0.5 }]);
  const still = meter.record(2, 0.1, {
    ...output(2, { total: 0, a: 0 }),
    weighted: { a: 0 },
    termGradients: { a: 0 },
  });
  assert.deepEqual(still?.shares, { a: { loss: 0, gradient: 0 } });
  assert.equal(meter.record(3, 0.1, output(3, { total: 1 }))?.shares, undefined);
});

test('the memory of the process stands in every event, in bytes', () => {
  const meter = new StepMeter(timeline, 1);
  meter.start(0);
  const event = meter.record(1, 0.1, output(1, { total: 1 }));
  const rss = event?.memory.rss ?? 0;
  assert.ok(rss > 0.5 * process.memoryUsage.rss() && rss < 2 * process.memoryUsage.rss(), String(rss));
});

test('diagnostics are wanted exactly where an event follows', () => {
  const meter = new StepMeter({ stepsPerEpoch: 10, totalSteps: 25 }, 10);
  const wanted = Array.from({ length: 25 }, (_, step) => step).filter((step) => meter.reports(step));
  assert.deepEqual(wanted, [0, 9, 19, 24]);
});
