import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { figure, readReport, thisMachine, writeReport } from '../../../lib/bench/report.ts';
import { temporaryFolder } from '../../faults/command.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

describe('a figure', () => {
  test('is the median with its quarters', () => {
    const made = figure('step', 'ms', [50, 10, 40, 20, 30]);
    assert.deepEqual(made, { name: 'step', unit: 'ms', better: 'lower', value: 30, low: 20, high: 40 });
    assert.equal(figure('rate', 'img/s', [1], 'higher').better, 'higher');
  });
  test('of few samples is taken to vary by a tenth', () => {
    const { value, low, high } = figure('step', 'ms', [10, 30]);
    assert.deepEqual([value, low, high], [20, 18, 22]);
  });
  test('lies between its samples, and half of them between its quarters, give or take one', () => {
    const samples = fc.array(fc.nat(1e6), { minLength: 5, maxLength: 40 });
    fc.assert(
      fc.property(samples, (given) => {
        const { low, value, high } = figure('x', 's', given);
        assert.ok(Math.min(...given) <= low && low <= value && value <= high && high <= Math.max(...given));
        const inside = given.filter((sample) => sample >= low && sample <= high).length;
        assert.ok(inside >= given.length / 2 - 1);
      }),
    );
  });
});

test('a report says what was measured and where, and reads back', () => {
  const path = join(folder, 'report.json');
  const figures = [figure('step', 'ms', [1, 2, 3, 4, 5, 6])];
  writeReport(path, 'step', { batch: 4, threads: 'auto' }, figures);
  const report = readReport(path);
  assert.deepEqual(report.figures, figures);
  assert.deepEqual([report.bench, report.settings], ['step', { batch: 4, threads: 'auto' }]);
  assert.deepEqual(report.machine, thisMachine());
  assert.ok(report.machine.cpu.length > 0 && report.machine.cores >= 1 && report.machine.memoryGB > 0);
});

describe('what is no report is refused with its name', () => {
  const whole = () => JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'));
  const cases: [string, () => string, RegExp][] = [
    ['text', () => 'step 12 ms', /JSON/],
    ['the output of --json', () => '{"seconds": 1}', /format/],
    ['another version', () => JSON.stringify({ ...whole(), format: 'hdtrain-bench-2' }), /format/],
    [
      'a figure without a value',
      () => JSON.stringify({ ...whole(), figures: [{ name: 'x' }] }),
      /figures\.0/,
    ],
  ];
  for (const [name, content, pattern] of cases) {
    test(name, () => {
      const path = join(folder, 'none.json');
      writeFileSync(path, content());
      assert.throws(() => readReport(path), { code: 'HD_USAGE', where: path, message: pattern });
    });
  }
  test('a file that is not there', () => {
    assert.throws(() => readReport(join(folder, 'missing.json')), { code: 'HD_USAGE', message: /ENOENT/ });
  });
});
