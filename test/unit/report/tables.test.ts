import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { classTable, table } from '../../../lib/report/tables.ts';

const word = fc.stringMatching(/^[a-z]{1,12}$/);
const cell = fc.oneof(word, fc.integer({ min: 0, max: 1e6 }), fc.double({ min: 0, max: 1, noNaN: true }));
const grid = fc
  .integer({ min: 1, max: 5 })
  .chain((columns) =>
    fc.tuple(
      fc.array(word, { minLength: columns, maxLength: columns }),
      fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { maxLength: 6 }),
    ),
  );

describe('table', () => {
  test('every cell is there, in its row and order, two blanks apart at least', () => {
    fc.assert(
      fc.property(grid, ([header, rows]) => {
        const lines = table(header, rows).split('\n');
        assert.equal(lines.length, rows.length + 1);
        const shown = (value: string | number) =>
          typeof value === 'string' ? value : Number.isInteger(value) ? String(value) : value.toFixed(3);
        for (const [i, row] of [header, ...rows].entries())
          assert.deepEqual(lines[i]?.trim().split(/ {2,}/), row.map(shown));
      }),
    );
  });
  test('columns of words begin at one place, columns of numbers end at one', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(word, fc.nat(99999), word), { minLength: 1, maxLength: 6 }), (rows) => {
        const lines = table(['name', 'n', 'note'], rows).split('\n').slice(1);
        const places = lines.map((line) => /^\S+ +\d+/.exec(line)?.[0].length);
        assert.equal(new Set(places).size, 1, lines.join('\n'));
        const notes = lines.map((line, i) => line.length - (rows[i]?.[2].length ?? 0));
        assert.equal(new Set(notes).size, 1, lines.join('\n'));
      }),
    );
  });
  test('no blanks at the ends of lines, and none where a cell is empty', () => {
    const text = table(
      ['a', 'b'],
      [
        ['long name', ''],
        ['x', 'y'],
      ],
    );
    assert.equal(text, 'a          b\nlong name\nx          y');
  });
  test('one word among numbers makes a column of words', () => {
    assert.equal(table(['n'], [[5], ['none'], [10]]), 'n\n5\nnone\n10');
    assert.equal(table(['n'], [[5], [10]]), ' n\n 5\n10');
  });
  test('shares have three decimals, counts none, and −1 is "there was nothing to measure"', () => {
    assert.equal(
      table(['v'], [[0.12345], [1], [0], [-1], [-2.5]]),
      '     v\n 0.123\n     1\n     0\n     –\n-2.500',
    );
  });
});

describe('classTable', () => {
  test('what a row lacks is a dash, not NaN or undefined', () => {
    for (const ap of [undefined, null, 'x', -1]) {
      const [, row = ''] = classTable([{ name: 'cat', truths: 2, ap, ap50: 0.5 }]).split('\n');
      assert.deepEqual(row.split(/ +/), ['cat', '2', '–', '0.500', '–']);
    }
  });
  test('rows stay in the order of the classes; without any, the header alone', () => {
    const names = ['zebra', 'ant', 'Zürich'];
    const lines = classTable(names.map((name) => ({ name, truths: 1, ap: 0.5, ap50: 0.5, ap75: 0.5 }))).split(
      '\n',
    );
    assert.deepEqual(
      lines.slice(1).map((line) => line.split(' ')[0]),
      names,
    );
    assert.equal(classTable([]), 'class  truths  AP  AP50  AP75');
  });
  test('with the curves of a diagnosis, the best score; a dash where nothing is found or known', () => {
    const rows = ['cat', 'dog', 'cow'].map((name) => ({ name, truths: 1, ap: 0.5, ap50: 0.5, ap75: 0.5 }));
    const curves = [
      { name: 'dog', best: { score: -1 } },
      { name: 'cat', best: { score: 0.41 } },
    ];
    const lines = classTable(rows, curves).split('\n');
    assert.match(lines[0] ?? '', /AP75 {2}best score$/);
    assert.deepEqual(
      lines.slice(1).map((line) => line.split(/ +/).at(-1)),
      ['0.410', '–', '–'],
    );
  });
});
