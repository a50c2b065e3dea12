import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, clock, count, metric, percent } from '../../../lib/report/format.ts';
import { classTable, table } from '../../../lib/report/tables.ts';

test('times for people', () => {
  assert.equal(clock(9.44), '9.4 s');
  assert.equal(clock(59.96), '1 min 00 s');
  assert.equal(clock(185), '3 min 05 s');
  assert.equal(clock(7620), '2 h 07 min');
  assert.equal(clock(Number.POSITIVE_INFINITY), '–');
});

test('counts and shares', () => {
  assert.equal(count(19420889), '19,420,889');
  assert.equal(percent(0.0349), '3 %');
});

test('sizes of memory, three digits', () => {
  assert.deepEqual([0, 0.5, 1, 1023, 1536, 1.5 * 2 ** 30, 2 ** 52].map(bytes), [
    '0 B',
    '0.5 B',
    '1 B',
    '1020 B',
    '1.5 kB',
    '1.5 GB',
    '4100 TB',
  ]);
});

test('a metric that could not be measured is not a bad one', () => {
  assert.deepEqual([0, 1, 0.12345, -1, undefined, 'x'].map(metric), [
    '0.000',
    '1.000',
    '0.123',
    '–',
    '–',
    '–',
  ]);
});

test('tables line up, numbers to the right', () => {
  assert.equal(
    table(
      ['name', 'n'],
      [
        ['a', 5],
        ['long name', 12],
      ],
    ),
    'name        n\na           5\nlong name  12',
  );
  assert.equal(table(['only', 'header'], []), 'only  header');
});

test('an undefined metric shows as a dash', () => {
  const text = classTable([{ name: 'cat', truths: 3, ap: 0.5, ap50: 1, ap75: -1 }]);
  assert.match(text, /^cat\s+3\s+0\.500\s+1\s+–$/m);
});
