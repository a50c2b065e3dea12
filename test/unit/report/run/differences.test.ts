import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { differences, flat } from '../../../../lib/report/run/differences.ts';

describe('differences', () => {
  test('fields that changed, came and went, by their paths', () => {
    const before = { train: { lr: 0.1, epochs: 12, augment: [{ flip: {} }] }, size: [320, 224], gone: null };
    const after = {
      train: { lr: 0.2, epochs: 12, augment: [{ flip: {} }, { crop: { min: 1 } }] },
      size: [320, 320],
    };
    assert.deepEqual(differences(before, after), [
      { field: 'train.lr', before: '0.1', after: '0.2' },
      { field: 'train.augment.1.crop.min', before: '', after: '1' },
      { field: 'size', before: '[320,224]', after: '[320,320]' },
      { field: 'gone', before: 'null', after: '' },
    ]);
  });
  test('none of a thing and itself; turned round, the same fields', () => {
    const data = fc.jsonValue() as fc.Arbitrary<unknown>;
    fc.assert(
      fc.property(data, data, (a, b) => {
        assert.deepEqual(differences(a, a), []);
        const fields = (x: unknown, y: unknown) =>
          differences(x, y)
            .map(({ field }) => field)
            .sort();
        assert.deepEqual(fields(a, b), fields(b, a));
      }),
    );
  });
  test('empty lists and objects are values', () => {
    assert.deepEqual(
      [...flat({ a: [], b: {}, c: { d: 1 } })],
      [
        ['a', '[]'],
        ['b', '{}'],
        ['c.d', '1'],
      ],
    );
  });
});
