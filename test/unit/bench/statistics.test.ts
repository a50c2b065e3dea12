import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { median, quantile } from '../../../lib/bench/statistics.ts';

describe('median', () => {
  const times = fc.array(fc.double({ min: 0, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 30 });

  test('half of the values are not above it and half are not below', () => {
    fc.assert(
      fc.property(times, (values) => {
        const middle = median(values);
        const [below, above] = [values.filter((v) => v < middle), values.filter((v) => v > middle)];
        return 2 * below.length <= values.length && 2 * above.length <= values.length;
      }),
    );
  });
  test('does not depend on the order and does not sort what it was given', () => {
    fc.assert(
      fc.property(times, (values) => {
        const given = Object.freeze([...values]);
        return median(given) === median([...values].reverse());
      }),
    );
  });
  test('an even number of values: the mean of the two in the middle; digits are not sorted as text', () => {
    assert.equal(median([10, 9]), 9.5);
    assert.equal(median([100, 9, 20]), 20);
  });
});

describe('quantile', () => {
  test('lies on the line between neighbours; NaN of nothing', () => {
    assert.equal(quantile([3, 1, 2, 4, 5], 0.25), 2);
    assert.equal(quantile([1, 2], 0.75), 1.75);
    assert.equal(quantile([7], 0.9), 7);
    assert.ok(Number.isNaN(quantile([], 0.5)));
  });
});
