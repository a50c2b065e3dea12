import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { scaleOf, ticksOf } from '../../../../lib/report/html/scale.ts';

const numbers = fc.double({ min: -1e9, max: 1e9, noNaN: true });

describe('a scale', () => {
  test('puts the smallest and the largest at the ends, and never divides by nothing', () => {
    fc.assert(
      fc.property(fc.array(numbers, { minLength: 1 }), fc.boolean(), (values, mayBeLog) => {
        const scale = scaleOf(values, [10, 90], mayBeLog);
        assert.ok(scale.high > scale.low);
        for (const value of values) {
          const place = scale.place(value);
          assert.ok(place >= 10 - 1e-6 && place <= 90 + 1e-6, `${value} at ${place}`);
        }
      }),
    );
  });
  test('logarithmic only where that shows more: positive and far apart', () => {
    const isLog = (...values: number[]) => scaleOf(values, [0, 1], true).log;
    assert.deepEqual(
      [isLog(1, 100), isLog(1, 20), isLog(0, 100), isLog(-1, 100)],
      [true, false, false, false],
    );
    assert.equal(scaleOf([1, 100], [0, 1], false).log, false);
    assert.ok(Math.abs(scaleOf([1, 100], [0, 1], true).place(10) - 0.5) < 1e-9);
  });
});

describe('ticks', () => {
  const of = (low: number, high: number, mayBeLog = false) =>
    ticksOf(scaleOf([low, high], [0, 1], mayBeLog), 5);
  test('are round and inside', () => {
    assert.deepEqual(of(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
    assert.deepEqual(of(1, 300), [100, 200, 300]);
    assert.deepEqual(of(0.001, 10, true), [0.001, 0.01, 0.1, 1, 10]);
    assert.deepEqual(of(0.3, 12, true), [0.5, 1, 2, 5, 10]);
  });
  test('are few and ordered whatever the bounds', () => {
    fc.assert(
      fc.property(numbers, numbers, fc.boolean(), (a, b, mayBeLog) => {
        const scale = scaleOf([a, b], [0, 1], mayBeLog);
        const ticks = ticksOf(scale, 5);
        assert.ok(ticks.length <= 12, String(ticks));
        const room = (scale.high - scale.low) * 1e-6;
        for (const [i, tick] of ticks.entries()) {
          assert.ok(tick >= scale.low - room && tick <= scale.high + room);
          if (i > 0) assert.ok(tick > (ticks[i - 1] as number));
        }
      }),
    );
  });
});
