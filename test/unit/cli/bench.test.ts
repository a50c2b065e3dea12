import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../../faults/command.ts';

// Which of two times is the smaller is for the benchmark to tell, on a machine that does nothing else.
test('bench losses: the fused loss at two shares of weighted rows', () => {
  const end = run(['bench', 'losses', '--json']);
  assert.equal(end.status, 0, end.stderr);
  const rows = JSON.parse(end.stdout) as { rows: number; weighted: number; milliseconds: number }[];
  assert.deepEqual(
    rows.map(({ rows: count, weighted }) => [count, weighted]),
    [
      [89600, 1],
      [89600, 0.05],
    ],
  );
  assert.ok(
    rows.every(({ milliseconds }) => milliseconds > 0 && milliseconds < 10_000),
    end.stdout,
  );
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
