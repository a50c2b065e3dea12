import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../../faults/command.ts';

test('bench losses: the fused loss at two shares of weighted rows, fewer rows being cheaper', () => {
  const end = run(['bench', 'losses', '--json']);
  assert.equal(end.status, 0, end.stderr);
  const [all, few] = JSON.parse(end.stdout) as { rows: number; weighted: number; milliseconds: number }[];
  assert.equal(all?.rows, 89600);
  assert.ok((few?.weighted ?? 1) < (all?.weighted ?? 0));
  assert.ok((few?.milliseconds ?? 1) < (all?.milliseconds ?? 0), end.stdout);
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
