import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { run, temporaryFolder } from '../../faults/command.ts';

// Which of two times is the smaller is for the benchmark to tell, on a machine that does nothing else.
test('bench losses: box sides and classes at two shares of weighted rows', () => {
  const end = run(['bench', 'losses', '--json']);
  assert.equal(end.status, 0, end.stderr);
  const rows = JSON.parse(end.stdout) as {
    rows: number;
    bins: number;
    weighted: number;
    milliseconds: number;
  }[];
  assert.deepEqual(
    rows.map(({ rows: count, bins, weighted }) => [count, bins, weighted]),
    [
      [89600, 17, 1],
      [89600, 17, 0.05],
      [22400, 80, 1],
      [22400, 80, 0.05],
    ],
  );
  assert.ok(
    rows.every(({ milliseconds }) => milliseconds > 0 && milliseconds < 10_000),
    end.stdout,
  );
});

test('bench plan: a GFL-R50 teacher whole and cut at its backbone, which costs less', () => {
  const end = run(['bench', 'plan', '--steps', '2', '--json']);
  assert.equal(end.status, 0, end.stderr);
  const { rows } = JSON.parse(end.stdout) as {
    rows: { part: string; samples: number[]; milliseconds: number }[];
  };
  assert.deepEqual(
    rows.map(({ part, samples }) => [part, samples.length]),
    [
      ['whole', 2],
      ['backbone', 2],
    ],
  );
  const fastest = rows.map(({ samples }) => Math.min(...samples));
  assert.ok((fastest[0] ?? 0) > (fastest[1] ?? 0) && (fastest[1] ?? 0) > 0, end.stdout);
});

test('bench nms: greedy and voting, one row for each number of candidates', () => {
  const end = run(['bench', 'nms', '--candidates', '200', '400', '--json']);
  assert.equal(end.status, 0, end.stderr);
  const rows = JSON.parse(end.stdout) as { candidates: number; suppression: string; kept: number }[];
  assert.deepEqual(
    rows.map(({ candidates, suppression }) => [candidates, suppression]),
    [
      [200, 'greedy'],
      [400, 'greedy'],
      [200, 'cluster-diou, score voting'],
      [400, 'cluster-diou, score voting'],
    ],
  );
  assert.ok(rows.every(({ kept, candidates }) => kept > 0 && kept <= candidates));
});

test('numbers that make no sense are refused', () => {
  for (const args of [
    ['nms', '--candidates', '0'],
    ['step', '--steps', '1.5'],
    ['eval', '--images', '-3'],
    ['sleep'],
  ]) {
    const end = run(['bench', ...args]);
    assert.equal(end.status, 2, `${args} ${end.stderr}`);
  }
});

describe('bench step --set', () => {
  const folder = temporaryFolder();
  after(() => rmSync(folder, { recursive: true, force: true }));
  const tiny = ['data.size=64', 'train.batch=1', 'train.threads=1', 'model.headConvs=1'];
  const step = (...more: string[]) => run(['bench', 'step', '--steps', '1', ...more]);
  const set = (fields: string[]) => fields.flatMap((field) => ['--set', field]);

  test('changes the default recipe, and stands in what --save writes', () => {
    const file = join(folder, 'step.json');
    const end = step(...set(tiny), '--save', file);
    assert.equal(end.status, 0, end.stderr);
    const { settings } = JSON.parse(readFileSync(file, 'utf8'));
    assert.deepEqual([settings.batch, settings.threads, settings.set], [1, 1, tiny.join(' ')]);
  });
  test('a field that there is not is refused with and without a teacher', () => {
    for (const more of [[], ['--distill']]) {
      const end = step(...set(['train.bach=1']), ...more);
      assert.equal(end.status, 2, end.stdout);
      assert.match(end.stderr, /HD_RECIPE_UNKNOWN_KEY/);
    }
  });
  test('what has no recipe does not take it', () => {
    const end = run(['bench', 'nms', '--candidates', '100', ...set(['train.batch=1'])]);
    assert.equal(end.status, 2);
    assert.match(end.stderr, /--set with bench step alone.*bench nms: leave it out/);
  });
});

describe('--save and --compare', () => {
  const folder = temporaryFolder();
  after(() => rmSync(folder, { recursive: true, force: true }));
  const [before, later] = [join(folder, 'before.json'), join(folder, 'after.json')];

  test('what was saved is compared: the same figures by the same names', () => {
    for (const file of [before, later]) {
      const end = run(['bench', 'nms', '--candidates', '300', '--save', file]);
      assert.equal(end.status, 0, end.stderr);
    }
    const end = run(['bench', '--compare', before, later, '--json']);
    assert.equal(end.status, 0, end.stderr);
    const { bench, changes, differences } = JSON.parse(end.stdout);
    assert.deepEqual(
      changes.map(({ name }: { name: string }) => name),
      ['greedy, 300 boxes', 'cluster-diou, score voting, 300 boxes'],
    );
    assert.deepEqual([bench, differences], ['nms', []]);
    assert.match(run(['bench', '--compare', before, before]).stdout, /nothing changed beyond noise/);
  });
  test('eval prints a table and saves its time', () => {
    const file = join(folder, 'eval.json');
    const sizes = ['--images', '5', '--truths', '20', '--detections', '50'];
    const end = run(['bench', 'eval', ...sizes, '--save', file]);
    assert.match(end.stdout, /pictures +truths +detections +seconds\nbbox evaluation +5 +20 +50 +\d/);
    const { settings, figures } = JSON.parse(readFileSync(file, 'utf8'));
    assert.deepEqual(settings, { images: 5, truths: 20, detections: 50 });
    assert.equal(figures.length, 1);
  });
  test('refused: one file, a benchmark besides, no benchmark at all', () => {
    for (const args of [['--compare', before], ['nms', '--compare', before, later], []]) {
      const end = run(['bench', ...args]);
      assert.equal(end.status, 2, `${args} ${end.stdout}`);
    }
  });
});
