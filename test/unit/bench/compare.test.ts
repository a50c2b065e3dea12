import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { compareReports, comparisonText } from '../../../lib/bench/compare.ts';
import { type BenchReport, type Figure, figure } from '../../../lib/bench/report.ts';

const machine = {
  cpu: 'a processor',
  cores: 2,
  memoryGB: 16,
  capability: 'AVX2',
  amx: false,
  node: 'v22.0.0',
  torch: '2.13.0',
  build: 'aaaa',
};

const reportOf = (figures: Figure[], given: Partial<BenchReport> = {}): BenchReport => ({
  format: 'hdtrain-bench-1',
  bench: 'step',
  settings: { batch: 4 },
  machine,
  figures,
  ...given,
});

const at = (value: number, spread: number, better: Figure['better'] = 'lower', name = 'step'): Figure => ({
  name,
  unit: 'ms',
  better,
  value,
  low: value - spread,
  high: value + spread,
});

function verdict(before: Figure, after: Figure): string | undefined {
  return compareReports(reportOf([before]), reportOf([after])).changes[0]?.verdict;
}

describe('beyond noise', () => {
  const cases: [string, Figure, Figure, string][] = [
    ['less time is better', at(100, 3), at(80, 3), 'better'],
    ['more time is worse', at(100, 3), at(120, 3), 'worse'],
    ['more pictures a second are better', at(100, 3, 'higher'), at(120, 3, 'higher'), 'better'],
    ['fewer are worse', at(100, 3, 'higher'), at(80, 3, 'higher'), 'worse'],
    ['ranges that meet are noise', at(100, 10), at(80, 10), 'noise'],
    ['a change of less than two per cent is noise, however exact', at(100, 0), at(101.9, 0), 'noise'],
    ['one of two per cent is not', at(100, 0), at(102, 0), 'worse'],
    ['nothing at all is no change', at(0, 0), at(0, 0), 'noise'],
  ];
  for (const [name, before, after, expected] of cases) {
    test(name, () => assert.equal(verdict(before, after), expected));
  }
  test('the same numbers are noise, and swapping the files swaps better and worse', () => {
    const samples = fc.array(fc.double({ min: 1, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 9 });
    const swapped: Record<string, string> = { better: 'worse', worse: 'better', noise: 'noise' };
    fc.assert(
      fc.property(samples, samples, (a, b) => {
        const [before, after] = [figure('x', 'ms', a), figure('x', 'ms', b)];
        assert.equal(verdict(before, before), 'noise');
        // Two per cent of the one are not two per cent of the other.
        const ratio = Math.max(before.value, after.value) / Math.min(before.value, after.value);
        if (ratio < 1.02 || ratio > 1.021)
          assert.equal(verdict(after, before), swapped[verdict(before, after) ?? '']);
      }),
    );
  });
});

describe('compareReports', () => {
  test('each figure once: ratio, what is new and what is gone', () => {
    const before = reportOf([at(100, 1), at(5, 1, 'lower', 'loss')]);
    const after = reportOf([at(50, 1), at(7, 1, 'lower', 'data')]);
    const { changes, differences } = compareReports(before, after);
    assert.deepEqual(
      changes.map(({ name, before: a, after: b, ratio, verdict: word }) => [name, a, b, ratio, word]),
      [
        ['step', 100, 50, 0.5, 'better'],
        ['data', null, 7, null, 'new'],
        ['loss', 5, null, null, 'gone'],
      ],
    );
    assert.deepEqual(differences, []);
  });
  test('other machines, settings and benchmarks are told', () => {
    const other = reportOf([], {
      bench: 'nms',
      settings: { batch: 8, size: '320' },
      machine: { ...machine, cores: 4 },
    });
    assert.deepEqual(compareReports(reportOf([]), other).differences, [
      'bench: step → nms',
      'machine cores: 2 → 4',
      'setting batch: 4 → 8',
      'setting size: none → 320',
    ]);
  });
});

describe('for people', () => {
  test('a row a figure, flags only what is beyond noise', () => {
    const before = reportOf([at(100, 1), at(5, 3, 'lower', 'data')]);
    const after = reportOf([at(1234.6, 1), at(6, 3, 'lower', 'data')]);
    const lines = comparisonText(compareReports(before, after)).split('\n');
    assert.match(lines[0] ?? '', /^step +unit +before +after +ratio$/);
    assert.match(lines[1] ?? '', /^step +ms +100 +1235 +12\.346 +worse$/);
    assert.match(lines[2] ?? '', /^data +ms +5 +6 +1\.200$/);
    assert.equal(lines[3], '1 of 2 beyond noise');
  });
  test('nothing changed', () => {
    const same = reportOf([at(0.012345, 0)]);
    const text = comparisonText(compareReports(same, same));
    assert.match(text, /0\.01235 +0\.01235 +1\.000\nnothing changed beyond noise$/);
  });
});
