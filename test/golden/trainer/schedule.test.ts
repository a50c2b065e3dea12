import assert from 'node:assert/strict';
import { test } from 'node:test';
import { learningRate } from '../../../lib/trainer/schedule.ts';
import { golden } from '../goldens.ts';

interface ScheduleFixture {
  tolerance: { lr: { rtol: number } };
  cases: {
    op: string;
    base_lr: number;
    steps: number[];
    warmup_iters: number;
    warmup_ratio: number;
    iters_per_epoch: number;
    epochs: number;
    rows_epoch_iter_lr: [number, number, number][];
  }[];
}

const fixture = golden<ScheduleFixture>('ld/schedule');

test('step schedule with linear warm-up equals mmcv', {
  skip: fixture ? false : 'no ld/schedule in this golden set',
}, () => {
  assert.ok(fixture);
  const cases = fixture.cases.filter(({ op }) => op.includes('schedule'));
  assert.ok(cases.length > 0);
  for (const it of cases) {
    const timeline = { stepsPerEpoch: it.iters_per_epoch, totalSteps: it.iters_per_epoch * it.epochs };
    const warmup = {
      kind: 'linear',
      length: it.warmup_iters,
      unit: 'steps',
      ratio: it.warmup_ratio,
    } as const;
    for (const [epoch, iteration, expected] of it.rows_epoch_iter_lr) {
      // Rows count iterations over the whole run; the epoch is told as well and must agree.
      assert.equal(Math.floor(iteration / it.iters_per_epoch), epoch);
      const actual = learningRate(
        iteration,
        it.base_lr,
        { schedule: { kind: 'steps', at: it.steps, unit: 'epochs' }, warmup, swa: null },
        timeline,
      );
      assert.ok(
        Math.abs(actual - expected) <= fixture.tolerance.lr.rtol * expected,
        `${iteration}: ${actual} but ${expected}`,
      );
    }
  }
});
