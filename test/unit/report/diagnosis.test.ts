import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Diagnosis, ScoreCurve } from '../../../lib/native.ts';
import {
  bestScore,
  confusionTable,
  errorTable,
  sizeTable,
  worstConfusions,
} from '../../../lib/report/diagnosis.ts';

const classes = ['cat', 'dog', 'cow'];
const nothingFound: ScoreCurve = {
  byScore: { precision: [], recall: [], f1: [] },
  best: { score: -1, precision: -1, recall: 0, f1: 0 },
};
const none = { classification: 0, localization: 0, both: 0, duplicate: 0, background: 0, missed: 0 };

function diagnosisOf(given: Partial<Diagnosis> = {}): Diagnosis {
  return {
    iou: 0.5,
    score: 0.3,
    ap: 0.5,
    curves: [],
    mean: { precision: [], scores: [], ...nothingFound },
    confusion: [
      [9, 2, 0, 50],
      [4, 9, 2, 0],
      [0, 0, 9, 0],
      [60, 0, 0, 0],
    ],
    errors: none,
    costs: none,
    sizes: [],
    ...given,
  };
}

describe('errorTable', () => {
  test('the dearest kind first, equals by number; what it means, and of which AP', () => {
    const text = errorTable(
      diagnosisOf({
        errors: { ...none, localization: 3, background: 1000, missed: 2, duplicate: 8 },
        costs: { ...none, localization: 0.25, background: 0.03125, missed: 0.125 },
      }),
    );
    const [header, ...rows] = text.split('\n');
    assert.match(header ?? '', /^errors .* number +AP50 lost$/);
    assert.deepEqual(
      rows.map((row) => row.split(/\s/)[0]),
      ['localization', 'missed', 'background', 'duplicate', 'classification', 'both'],
    );
    assert.match(rows[0] ?? '', /^localization +right class, box too far off +3 +0\.250$/);
    assert.match(rows[2] ?? '', /nothing is there +1000 +0\.031$/);
  });
  test('another overlap, another AP', () => {
    assert.match(errorTable(diagnosisOf({ iou: 0.75 })), /AP75 lost/);
  });
});

describe('confusions', () => {
  test('most frequent first, equals in the order of classes; the background is no class', () => {
    assert.deepEqual(worstConfusions(diagnosisOf(), classes, 9), [
      { truth: 'dog', taken: 'cat', times: 4 },
      { truth: 'cat', taken: 'dog', times: 2 },
      { truth: 'dog', taken: 'cow', times: 2 },
    ]);
    assert.match(confusionTable(diagnosisOf(), classes), /^class +taken for +times\ndog +cat +4\n/);
    assert.equal(confusionTable(diagnosisOf(), classes, 1).split('\n').length, 2);
  });
  test('none: no table', () => {
    const confusion = [
      [3, 0, 0, 1],
      [0, 0, 0, 0],
      [0, 0, 1, 0],
      [5, 0, 0, 0],
    ];
    assert.equal(confusionTable(diagnosisOf({ confusion }), classes), '');
  });
  test('of any matrix: no more than asked for, and none that is left out is more frequent', () => {
    const cells = fc.array(fc.array(fc.nat(20), { minLength: 4, maxLength: 4 }), {
      minLength: 4,
      maxLength: 4,
    });
    fc.assert(
      fc.property(cells, fc.nat(8), (confusion, count) => {
        const worst = worstConfusions(diagnosisOf({ confusion }), classes, count);
        const all = confusion.slice(0, 3).flatMap((row, r) => row.slice(0, 3).filter((_, c) => c !== r));
        const expected = all.filter((times) => times > 0).sort((a, b) => b - a);
        assert.deepEqual(
          worst.map(({ times }) => times),
          expected.slice(0, count),
        );
      }),
    );
  });
});

test('sizes', () => {
  const sizes: Diagnosis['sizes'] = [
    { name: 'small', truths: 12, found: 3 },
    { name: 'large', truths: 0, found: 0 },
  ];
  assert.equal(
    sizeTable(diagnosisOf({ sizes })),
    'size   truths  found\nsmall      12      3\nlarge       0      0',
  );
});

describe('bestScore', () => {
  const mean = { ...nothingFound, best: { score: 0.4, precision: 0.9, recall: 0.75, f1: 0.8182 } };
  test('one threshold for all classes, and what it gives', () => {
    assert.equal(
      bestScore({ curves: [1, 2], mean }),
      'at a score of 0.40 F1 in the mean of the classes is highest, 0.818 (precision 0.900, recall 0.750)',
    );
  });
  test('of one class there is no mean', () => {
    assert.match(bestScore({ curves: [1], mean }), /^at a score of 0\.40 F1 is highest, 0\.818 /);
  });
  test('nothing to say where nothing is found', () => {
    assert.equal(bestScore(diagnosisOf()), '');
  });
});
