import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ProbeReport } from '../../../lib/native.ts';
import { run, temporaryFolder, writeRecipe } from '../../faults/command.ts';
import { writeCoco } from './files.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const config = writeRecipe(folder);

type Report = ProbeReport & { files: string[] };
function probe(...args: string[]): Report {
  const end = run(['probe', '--json', ...args]);
  assert.equal(end.status, 0, end.stderr);
  return JSON.parse(end.stdout);
}

describe('one batch of a recipe', () => {
  test('terms, tensors and parameters, as JSON and as tables', () => {
    const report = probe('--config', config);
    assert.deepEqual(report.terms.map(({ name }) => name).sort(), ['box', 'cls', 'dfl']);
    assert.ok(report.gradientNorm > 0 && report.positives > 0);
    assert.equal(report.images.length, 4);
    assert.ok(report.tensors.some(({ name }) => name === 'backbone.layer1.0'));
    const text = run(['probe', '--config', config, '--top', '3']).stdout;
    for (const words of ['gradient norm', 'every tensor is finite', 'picture', 'next:'])
      assert.ok(text.includes(words), words);
    assert.equal(
      text.split('\n').filter((line) => line.startsWith('backbone') || line.startsWith('head')).length < 12,
      true,
    );
  });
  test('the batch that is asked for, the same each time', () => {
    const [a, again, b] = [
      ['--step', '1'],
      ['--step', '1'],
      ['--epoch', '1'],
    ].map((args) => probe('--config', config, ...args)) as [Report, Report, Report];
    assert.deepEqual(a, again);
    assert.deepEqual([a.epoch, a.step, b.epoch, b.step], [0, 1, 1, 0]);
    assert.notDeepEqual(a.images, b.images);
  });
  test('pictures and targets that are given', () => {
    const annotations = join(folder, 'given.json');
    const images = join(folder, 'given');
    writeCoco(annotations, 4, [{ image: 2, category: 7, box: [5, 5, 40, 30] }], images);
    const report = probe('--config', config, '--annotations', annotations, '--images', images);
    assert.deepEqual(
      [...report.files].sort().map((file) => file.slice(-13)),
      [1, 2, 3, 4].map((n) => `picture-${n}.png`),
    );
  });
});

describe('the batch that a run stopped at', () => {
  const into = join(folder, 'run');
  before(() => {
    const fault = 'debug.fault={point: step, action: nan, step: 4}';
    const end = run(['--config', config, '--run', into, '--set', fault]);
    assert.equal(end.status, 5, end.stderr);
    assert.match(end.stderr, /loss term '\w+' is nan at step 4.*probe --dump/);
  });
  test('is replayed, with the weights of that step', () => {
    const dump = JSON.parse(readFileSync(join(into, 'diverged', 'dump.json'), 'utf8'));
    const report = probe('--dump', join(into, 'diverged'));
    assert.deepEqual([report.epoch, report.step], [1, 1]);
    assert.equal(`images ${report.images.join(', ')}`.startsWith(dump.where), true);
    assert.ok(Number.isFinite(report.total), 'the fault was only pretended');
    const fresh = probe('--config', config, '--epoch', '1', '--step', '1');
    assert.deepEqual(fresh.images, report.images);
    assert.notEqual(fresh.total, report.total);
  });
  test('is replayed with other settings, too; its place is its own', () => {
    const dump = ['--dump', join(into, 'diverged')];
    const report = probe(...dump, '--set', 'train.lossWeights={box: 0}');
    assert.equal(report.total < probe(...dump).total, true);
    for (const option of ['--epoch', '--step'])
      assert.match(run(['probe', ...dump, option, '1']).stderr, /mutually exclusive/);
  });
  test('a dump that was damaged is refused with its file and what to do', () => {
    const damaged = join(folder, 'damaged');
    cpSync(join(into, 'diverged'), damaged, { recursive: true });
    const file = join(damaged, 'dump.json');
    const text = readFileSync(file, 'utf8');
    const whole = JSON.parse(text);
    for (const [content, reason] of [
      [text.slice(0, text.length / 2), /JSON/],
      ['', /JSON/],
      ['null', /no epoch/],
      [JSON.stringify({ ...whole, epoch: -1 }), /no epoch/],
      [JSON.stringify({ ...whole, stepInEpoch: 'x' }), /no stepInEpoch/],
      [JSON.stringify({ ...whole, input: undefined }), /no input/],
    ] as const) {
      writeFileSync(file, content);
      const end = run(['probe', '--dump', damaged, '--json']);
      assert.equal(end.status, 4, end.stderr);
      const { code, message, where } = JSON.parse(end.stderr);
      assert.deepEqual([code, where], ['HD_CKPT_CORRUPT', file]);
      assert.match(message, reason);
      assert.match(
        message,
        /damaged.dump\.json cannot be read .*: let the run stop there again, or .*--config/,
      );
    }
  });
  test('a resumed run goes on with another policy', () => {
    const end = run([
      '--config',
      config,
      '--run',
      into,
      '--resume',
      'auto',
      '--set',
      'train.onDiverged=skip',
    ]);
    assert.equal(end.status, 0, end.stderr);
  });
});

describe('what is refused', () => {
  const cases: [string, string[], RegExp][] = [
    ['neither recipe nor dump', [], /--config or --dump/],
    ['both', ['--config', config, '--dump', folder], /mutually exclusive/],
    ['a folder without a dump', ['--dump', folder], /dump\.json does not exist: name the 'diverged' folder/],
    ['targets without pictures', ['--config', config, '--annotations', 'a.json'], /images/],
    ['a step that is no number', ['--config', config, '--step', 'x'], /--step/],
  ];
  for (const [what, args, message] of cases) {
    test(what, () => {
      const end = run(['probe', ...args]);
      assert.equal(end.status, 2, end.stderr);
      assert.match(end.stderr, message);
    });
  }
});
