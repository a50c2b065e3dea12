import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { suggestBatch, usableMemory } from '../../../lib/cli/find-batch.ts';
import { run, temporaryFolder, writeRecipe } from '../../faults/command.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const config = writeRecipe(folder);

describe('find-lr', () => {
  const out = join(folder, 'lr.svg');
  const find = (...args: string[]) => run(['find-lr', '--config', config, '--out', out, ...args]);
  test('tries rising rates, draws the curve and names the next command', () => {
    const end = find('--steps', '30');
    assert.equal(end.status, 0, end.stderr);
    assert.match(end.stdout, /lr +loss +smoothed/);
    assert.match(end.stdout, /train\.lr=|no rate stands out/);
    assert.match(end.stderr, /step 20\/30/);
    assert.match(readFileSync(out, 'utf8'), /^<svg /);
  });
  test('--json has every point', () => {
    const end = find('--steps', '12', '--from', '1e-4', '--to', '1e-2', '--json');
    assert.equal(end.status, 0, end.stderr);
    const { points, suggestion } = JSON.parse(end.stdout);
    assert.equal(points.length, 12);
    assert.ok(Math.abs(points[0].lr - 1e-4) < 1e-12 && Math.abs(points[11].lr - 1e-2) < 1e-9);
    assert.ok(suggestion === null || (suggestion >= 1e-4 && suggestion <= 1e-2));
  });
  test('rates that explode end the test without an error', () => {
    const end = find('--steps', '40', '--from', '1', '--to', '100', '--json', '--set', 'train.clip=0');
    assert.equal(end.status, 0, end.stderr);
    assert.ok(JSON.parse(end.stdout).points.length <= 40);
  });
  test('bounds that make no sense are refused before any work', () => {
    for (const bounds of [
      ['--from', '0'],
      ['--from', '1', '--to', '0.1'],
      ['--to', '1000'],
      ['--steps', '3'],
    ]) {
      const end = find(...bounds);
      assert.equal(end.status, 2, end.stderr);
    }
  });
});

describe('find-batch', () => {
  test('the memory of a container is what it allows, whatever the machine has', () => {
    assert.equal(usableMemory(64e9, 8e9), 8e9);
    // No limit is told as 0, as nothing, or as more than any machine has.
    for (const limit of [0, undefined, 2 ** 63, 2 ** 64]) assert.equal(usableMemory(64e9, limit), 64e9);
  });
  test('doubles up to --max and suggests one of those', () => {
    const end = run(['find-batch', '--config', config, '--max', '4', '--steps', '1', '--json']);
    assert.equal(end.status, 0, end.stderr);
    const { trials, suggestion, stopped } = JSON.parse(end.stdout);
    assert.deepEqual(
      trials.map(({ batch }: { batch: number }) => batch),
      [1, 2, 4],
    );
    assert.ok([1, 2, 4].includes(suggestion));
    assert.match(stopped, /--max 4/);
  });
  test('stops at the memory that it may use', () => {
    const end = run(['find-batch', '--config', config, '--memory', '0.01', '--steps', '1']);
    assert.equal(end.status, 0, end.stderr);
    assert.match(end.stdout, /would exceed 0.01 GB/);
    assert.match(end.stdout, /next: .*train\.batch=1 /);
  });
  test('memory that is none is refused', () => {
    assert.equal(run(['find-batch', '--config', config, '--memory', '0']).status, 2);
  });
  test('the smallest batch that no other beats by more than a few per cent', () => {
    const trial = (batch: number, imagesPerSecond: number) => ({ batch, imagesPerSecond, memory: 1 });
    assert.equal(suggestBatch([trial(1, 10), trial(2, 18), trial(4, 20), trial(8, 20.3)]), 4);
    assert.equal(suggestBatch([trial(1, 10), trial(2, 9)]), 1);
    assert.equal(suggestBatch([]), 1);
  });
});

test('nothing is left behind where the verbs ran', () => {
  assert.equal(existsSync(join(folder, 'runs')), false);
});
