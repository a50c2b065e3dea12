import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run, temporaryFolder, writeRecipe } from '../../faults/command.ts';
import { recipeOf, writeStudent } from '../trainer/fixtures.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

const config = writeRecipe(folder);
const trained = join(folder, 'run', 'student.safetensors');
const [other, wide] = ['other', 'wide'].map((name) => join(folder, `${name}.safetensors`)) as [
  string,
  string,
];
const landscape = (weights: string, weights2: string, ...more: string[]) =>
  run(['landscape', '--config', config, '--weights', weights, '--weights2', weights2, ...more]);

before(async () => {
  const end = run(['--config', config, '--run', join(folder, 'run')]);
  assert.equal(end.status, 0, end.stderr);
  await writeStudent(other, recipeOf({ train: { seed: 7 } }));
  await writeStudent(wide, recipeOf({ model: { neckChannels: 64 } }));
});

describe('landscape', () => {
  test('every point in order, levels, a picture and JSON; own features alone measure as eval does', () => {
    const out = join(folder, 'out');
    const end = landscape(
      other,
      trained,
      '--own',
      '0.5',
      '1',
      '--other',
      '0',
      '0.7',
      '0.9',
      '--out',
      out,
      '--json',
    );
    assert.equal(end.status, 0, end.stderr);
    const result = JSON.parse(end.stdout);
    assert.deepEqual(
      result.points.map(({ own, other: mixed }: { own: number; other: number }) => [own, mixed]),
      [0.5, 1].flatMap((own) => [0, 0.7, 0.9].map((mixed) => [own, mixed])),
    );
    assert.equal(result.images, 4);
    assert.deepEqual(
      result.levels.map(({ level, cells }: { level: string; cells: number }) => [level, cells]),
      [8, 4, 2, 1, 1].map((side, i) => [`p${i + 3}`, 4 * side * side]),
    );
    assert.ok(result.levels.every(({ cls, reg }: { cls: number; reg: number }) => cls > 0 && reg > 0));
    assert.deepEqual(JSON.parse(readFileSync(join(out, 'landscape.json'), 'utf8')), result);
    assert.match(readFileSync(join(out, 'landscape.svg'), 'utf8'), /^<svg .*<\/svg>\n$/s);
    const plain = run(['eval', '--config', config, '--weights', trained, '--json']);
    const { ap, ap50 } = JSON.parse(plain.stdout).eval;
    const own = result.points[3];
    assert.ok(Math.abs(own.ap - ap) < 1e-6 && Math.abs(own.ap50 - ap50) < 1e-6);
  });

  test('memory that runs out: fewer pictures at once, told of, and the same result', () => {
    const args = ['--own', '0', '1', '--other', '0', '0.5', '--json'];
    const whole = landscape(other, trained, ...args);
    const halved = landscape(
      other,
      trained,
      ...args,
      '--set',
      'debug.fault={point: evaluate, action: memory}',
    );
    assert.equal(halved.status, 0, halved.stderr);
    assert.doesNotMatch(whole.stderr, /out of memory/);
    assert.match(halved.stderr, /^warning: out of memory: from here on pictures are detected 2 at once/m);
    const [a, b] = [whole, halved].map(({ stdout }) => JSON.parse(stdout));
    assert.deepEqual(b.points, a.points);
    for (const [i, { level, cells, cls, reg }] of b.levels.entries()) {
      assert.deepEqual([level, cells], [a.levels[i].level, a.levels[i].cells]);
      assert.ok(Math.abs(cls - a.levels[i].cls) < 1e-6 && Math.abs(reg - a.levels[i].reg) < 1e-6, level);
    }
  });

  test('a detector and itself: no differences; for people, tables and what to type next', () => {
    const end = landscape(trained, trained, '--own', '1', '--other', '0');
    assert.equal(end.status, 0, end.stderr);
    assert.match(end.stdout, /\np7 +0\.000000 +0\.000000\nnext: add --out/);
  });

  test('without validation pictures it measures training ones only when it is told to', () => {
    const end = landscape(
      ...([trained, trained, '--own', '1', '--other', '0', '--json', '--split', 'train'] as const),
      ...['--set', 'data.val=null', '--set', 'data.train.count=6'],
    );
    assert.equal(end.status, 0, end.stderr);
    assert.equal(JSON.parse(end.stdout).images, 6);
  });

  test('detectors that do not match, and points that cannot be meant, are refused', () => {
    for (const [weights, more, code] of [
      [wide, [], 'HD_USAGE'],
      [join(folder, 'none'), [], 'HD_WEIGHTS_MISSING'],
      [other, ['--own', 'much'], 'HD_USAGE'],
      [other, ['--own', ...Array(30).fill('1'), '--other', ...Array(30).fill('1')], 'HD_USAGE'],
      [other, ['--set', 'data.train.count=0'], 'HD_RECIPE_RANGE'],
      [other, ['--set', 'data.val=null'], 'HD_DATA_MISSING'],
    ] as const) {
      const end = landscape(weights, trained, '--json', ...more);
      assert.notEqual(end.status, 0);
      assert.equal(JSON.parse(end.stderr).code, code, end.stderr);
    }
  });
});
