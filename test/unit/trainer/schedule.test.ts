import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  baseLearningRate,
  groupRates,
  learningRate,
  rateCourse,
  scheduleFactor,
  warmupFactor,
} from '../../../lib/trainer/schedule.ts';

const timeline = { stepsPerEpoch: 100, totalSteps: 1200 };
const noWarmup = { kind: 'linear', length: 0, unit: 'steps', ratio: 0.001 } as const;
const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 1e-12, `${actual} ≠ ${expected}`);

describe('scheduleFactor', () => {
  test('steps drop at whole epochs, steps or shares of the run', () => {
    const epochs = { kind: 'steps', at: [8, 11], gamma: 0.1, unit: 'epochs' } as const;
    near(scheduleFactor(799, epochs, timeline), 1);
    near(scheduleFactor(800, epochs, timeline), 0.1);
    near(scheduleFactor(1099, epochs, timeline), 0.1);
    near(scheduleFactor(1100, epochs, timeline), 0.01);
    near(scheduleFactor(50, { kind: 'steps', at: [50], gamma: 0.5, unit: 'steps' }, timeline), 0.5);
    near(scheduleFactor(600, { kind: 'steps', at: [0.5], gamma: 0.5, unit: 'run' }, timeline), 0.5);
    near(scheduleFactor(599, { kind: 'steps', at: [0.5], gamma: 0.5, unit: 'run' }, timeline), 1);
  });
  test('cosine goes from 1 to its floor', () => {
    near(scheduleFactor(0, { kind: 'cosine', floor: 0.1 }, timeline), 1);
    near(scheduleFactor(600, { kind: 'cosine', floor: 0.1 }, timeline), 0.55);
    near(scheduleFactor(1200, { kind: 'cosine', floor: 0.1 }, timeline), 0.1);
  });
  test('poly', () => {
    near(scheduleFactor(600, { kind: 'poly', power: 2 }, timeline), 0.25);
    near(scheduleFactor(1200, { kind: 'poly', power: 2 }, timeline), 0);
  });
  test('every kind stays between its end and 1 and never rises', () => {
    const kinds = fc.constantFrom('constant', 'steps', 'cosine', 'poly');
    fc.assert(
      fc.property(
        kinds,
        fc.integer({ min: 0, max: 1199 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (kind, step, floor) => {
          const schedule = { kind, floor, at: [3, 7], gamma: 0.3, power: 0.9 } as const;
          const [now, next] = [
            scheduleFactor(step, schedule, timeline),
            scheduleFactor(step + 1, schedule, timeline),
          ];
          return now <= 1 + 1e-12 && next <= now + 1e-12 && next >= 0;
        },
      ),
    );
  });
});

describe('warmupFactor', () => {
  test('linear is mmcv’s formula', () => {
    const warmup = { kind: 'linear', length: 500, unit: 'steps', ratio: 0.001 } as const;
    const course = { schedule: { kind: 'constant' }, warmup, swa: null } as const;
    near(learningRate(0, 0.01, course, timeline), 1e-5);
    near(learningRate(1, 0.01, course, timeline), 2.998e-5);
    near(learningRate(250, 0.01, course, timeline), 0.005005);
    near(learningRate(500, 0.01, course, timeline), 0.01);
  });
  test('constant and exp', () => {
    near(warmupFactor(99, { kind: 'constant', length: 1, unit: 'epochs', ratio: 0.2 }, timeline), 0.2);
    near(warmupFactor(100, { kind: 'constant', length: 1, unit: 'epochs', ratio: 0.2 }, timeline), 1);
    near(warmupFactor(60, { kind: 'exp', length: 0.1, unit: 'run', ratio: 0.01 }, timeline), 0.1);
  });
  test('length 0 is no warm-up', () => near(warmupFactor(0, noWarmup, timeline), 1));
});

test('the rate scales with the batch', () => {
  near(baseLearningRate({ lr: 0.01, lrBatch: 16, batch: 4 }), 0.0025);
  near(baseLearningRate({ lr: 0.01, lrBatch: 0, batch: 4 }), 0.01);
});

describe('a rate that is held for averaging', () => {
  const swa = { from: 0.75, every: 1, unit: 'epochs', lr: null } as const;
  const schedule = { kind: 'cosine', floor: 0 } as const;
  test('stays where the schedule has come to', () => {
    const course = { schedule, warmup: noWarmup, swa };
    near(learningRate(899, 1, course, timeline), scheduleFactor(899, schedule, timeline));
    for (const step of [900, 901, 1199])
      near(learningRate(step, 1, course, timeline), scheduleFactor(900, schedule, timeline));
  });
  test('or is its own', () => {
    const course = { schedule, warmup: noWarmup, swa: { ...swa, lr: 0.3 } };
    near(learningRate(899, 2, course, timeline), 2 * scheduleFactor(899, schedule, timeline));
    for (const step of [900, 1199]) near(learningRate(step, 2, course, timeline), 0.6);
  });
});

describe('groupRates', () => {
  test('each group has its factor, the rest comes last', () => {
    assert.deepEqual(groupRates([{ lr: 0.1 }, { lr: 0 }], 0.5), [0.05, 0, 0.5]);
    assert.deepEqual(groupRates([], 0.5), [0.5]);
  });
});

describe('rateCourse', () => {
  const base = { lr: 0.02, lrBatch: 16, batch: 8, warmup: noWarmup, swa: null };
  const steps = (at: number[], unit: 'epochs' | 'steps' | 'run') => ({ kind: 'steps', at, unit, gamma: 0.1 });
  const course = (train: object) => rateCourse({ ...base, ...train } as never, timeline);
  const placesOf = (train: object) => course(train).points.map(({ step, what }) => [step, what]);

  test('first, the end of warm-up, each drop and last, with the rate of the batch', () => {
    const warmup = { kind: 'linear', length: 50, unit: 'steps', ratio: 0.1 };
    const { points, missed } = course({ warmup, schedule: steps([8, 11], 'epochs') });
    assert.deepEqual(
      points.map(({ step, what }) => [step, what]),
      [
        [0, 'first'],
        [50, 'warm-up is over'],
        [800, 'drop'],
        [1100, 'drop'],
        [1199, 'last'],
      ],
    );
    const rates = [0.001, 0.01, 0.001, 0.0001, 0.0001];
    for (const [i, { rate }] of points.entries()) near(rate, rates[i] ?? Number.NaN);
    assert.equal(missed, 0);
  });
  test('drops in any unit stand at the first step that has them; those after the end are counted', () => {
    for (const [at, unit] of [
      [[7.5, 12], 'epochs'],
      [[799.5, 1200], 'steps'],
      [[2 / 3, 1], 'run'],
    ] as const) {
      const schedule = steps([...at], unit);
      const found = course({ schedule });
      assert.deepEqual(
        found.points.map(({ step }) => step),
        [0, 800, 1199],
        unit,
      );
      assert.equal(found.missed, 1);
      near(scheduleFactor(799, schedule as never, timeline), 1);
      near(scheduleFactor(800, schedule as never, timeline), 0.1);
    }
  });
  test('what falls on one step is told once', () => {
    const warmup = { ...noWarmup, length: 8, unit: 'epochs' };
    assert.deepEqual(placesOf({ warmup, schedule: steps([8, 11.99], 'epochs') }), [
      [0, 'first'],
      [800, 'warm-up is over, drop'],
      [1199, 'last'],
    ]);
    const { points } = rateCourse({ ...base, schedule: { kind: 'constant' } } as never, {
      stepsPerEpoch: 1,
      totalSteps: 1,
    });
    assert.deepEqual(points, [{ step: 0, rate: 0.01, what: 'first, last' }]);
  });
  test('where averaging begins is told, and drops after it never happen', () => {
    const swa = { from: 0.75, every: 1, unit: 'epochs', lr: null };
    const { points, missed } = course({ swa, schedule: steps([8, 9, 11], 'epochs') });
    assert.deepEqual(
      points.map(({ step, what }) => [step, what]),
      [
        [0, 'first'],
        [800, 'drop'],
        [900, 'drop, averaging begins'],
        [1199, 'last'],
      ],
    );
    near(points.at(-1)?.rate ?? 0, 0.0001);
    assert.equal(missed, 1);
  });
  test('a curve has its ends, and a warm-up longer than the run no end', () => {
    assert.deepEqual(placesOf({ schedule: { kind: 'cosine', floor: 0 } }), [
      [0, 'first'],
      [1199, 'last'],
    ]);
    const warmup = { ...noWarmup, length: 5000 };
    assert.equal(placesOf({ warmup, schedule: { kind: 'poly' } }).length, 2);
  });
});
