import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { picturesIn } from '../../../lib/cli/predict.ts';
import { run, temporaryFolder, writeRecipe } from '../../faults/command.ts';
import { writePng } from './files.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const trained = join(folder, 'trained');
const weights = join(trained, 'student.safetensors');
const photos = join(folder, 'photos');
const predict = (...args: string[]) => run(['predict', '--weights', weights, ...args]);

interface Found {
  file: string;
  detections: { box: number[]; score: number; class: string }[];
}

before(() => {
  const end = run([
    '--config',
    writeRecipe(folder),
    '--run',
    trained,
    ...['--set', 'train.epochs=30', '--set', 'train.lr=0.02'],
    ...['--set', 'eval.every=0', '--set', 'checkpoint.epochs=0'],
  ]);
  assert.equal(end.status, 0, end.stderr);
  writePng(join(photos, 'b.png'), 90, 60, 1);
  writePng(join(photos, 'a.PNG'), 64, 64, 2);
  writePng(join(photos, 'deeper', 'c.png'), 40, 120, 3);
  writeFileSync(join(photos, 'notes.txt'), 'no picture');
});

describe('what a path stands for', () => {
  test('a file is itself, a folder all pictures below it, sorted', () => {
    assert.deepEqual(picturesIn(join(photos, 'b.png')), [join(photos, 'b.png')]);
    assert.deepEqual(
      picturesIn(photos),
      ['a.PNG', 'b.png', 'deeper/c.png'].map((name) => join(photos, name)),
    );
    mkdirSync(join(folder, 'empty'), { recursive: true });
    assert.deepEqual(picturesIn(join(folder, 'empty')), []);
  });
  test('what does not exist is refused', () => {
    assert.throws(() => picturesIn(join(folder, 'nowhere')), /HD_DATA_MISSING|does not exist/);
  });
});

test('one entry a picture, in order; boxes lie in the picture, scores are at least --score', () => {
  const end = predict('--json', '--score', '0.02', photos);
  assert.equal(end.status, 0, end.stderr);
  const found = JSON.parse(end.stdout) as Found[];
  assert.deepEqual(
    found.map(({ file }) => file),
    picturesIn(photos),
  );
  const sizes = [
    [64, 64],
    [90, 60],
    [40, 120],
  ] as const;
  for (const [i, { detections }] of found.entries()) {
    const [width, height] = sizes[i] ?? [0, 0];
    for (const { box, score, class: name } of detections) {
      assert.ok(score >= 0.02 && score <= 1);
      assert.ok(['circle', 'square', 'triangle', 'star'].includes(name), name);
      const [x1 = Number.NaN, y1 = Number.NaN, x2 = Number.NaN, y2 = Number.NaN] = box;
      assert.ok(x1 >= -1e-3 && y1 >= -1e-3 && x2 <= width + 1e-3 && y2 <= height + 1e-3, `${box}`);
      assert.ok(x1 <= x2 && y1 <= y2);
    }
  }
  const all = JSON.parse(predict('--json', '--score', '0', photos).stdout) as Found[];
  assert.ok(all.some(({ detections }) => detections.some(({ score }) => score < 0.02)));
  const fewer = JSON.parse(predict('--json', '--score', '1', photos).stdout) as Found[];
  assert.ok(fewer.every(({ detections }) => detections.length === 0));
});

describe('--flip', () => {
  const size = 64; // of the recipe: nothing is resized
  const found = (file: string, ...args: string[]) => {
    const end = predict('--json', '--score', '0.001', ...args, file);
    assert.equal(end.status, 0, end.stderr);
    return (JSON.parse(end.stdout) as [Found])[0].detections;
  };
  test('the mirrored picture has the mirrored boxes; without it, others', () => {
    const [plain, mirror] = ['plain.png', 'mirror.png'].map((name) => join(folder, name)) as [string, string];
    writePng(plain, size, size, 5);
    writePng(mirror, size, size, 5, true);
    const [one, other] = [found(plain, '--flip'), found(mirror, '--flip')];
    assert.ok(one.length >= 20);
    assert.ok(
      one.some(({ box: [x1 = 0, , x2 = 0] }) => Math.abs(x1 + x2 - size) > 1),
      'boxes that are no mirror images of themselves',
    );
    // Of the last ones, rounding may keep others of the same score.
    for (const { box, score, class: name } of one.slice(0, 10)) {
      const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = box;
      const wanted = [size - x2, y1, size - x1, y2];
      const twin = other.find(
        (candidate) =>
          candidate.class === name &&
          Math.abs(candidate.score - score) < 1e-4 &&
          candidate.box.every((at, side) => Math.abs(at - (wanted[side] ?? 0)) < 1e-3 * size),
      );
      assert.ok(twin, `${name} ${score} at ${wanted}`);
    }
    assert.notDeepEqual(found(plain), one);
  });
  test('no flip beats a recipe that says so', () => {
    const file = join(photos, 'b.png');
    const config = writeRecipe(folder, undefined, 'flip.yaml');
    const args = ['--config', config, '--set', 'eval.flip=true', '--set', 'model.classes=[a,b,c,d]'];
    const boxes = (...more: string[]) => found(file, ...more).map(({ box }) => box);
    assert.deepEqual(boxes(...args), boxes('--flip'));
    assert.deepEqual(boxes(...args, '--no-flip'), boxes());
  });
});

describe('--out', () => {
  test('keeps the JSON and a drawn picture each', () => {
    const out = join(folder, 'out');
    const end = predict('--json', '--out', out, photos);
    assert.equal(end.status, 0, end.stderr);
    assert.deepEqual(JSON.parse(readFileSync(join(out, 'predictions.json'), 'utf8')), JSON.parse(end.stdout));
    assert.deepEqual(readdirSync(out).sort(), ['0000-a.jpg', '0001-b.jpg', '0002-c.jpg', 'predictions.json']);
    const drawn = readFileSync(join(out, '0001-b.jpg'));
    assert.deepEqual([...drawn.subarray(0, 3)], [0xff, 0xd8, 0xff]);
  });
  test('--no-pictures keeps the JSON alone', () => {
    const out = join(folder, 'bare');
    assert.equal(predict('--out', out, '--no-pictures', photos).status, 0);
    assert.deepEqual(readdirSync(out), ['predictions.json']);
  });
  test('a file in its place is refused before any work', () => {
    const end = predict('--out', weights, photos);
    assert.equal(end.status, 2);
    assert.match(end.stderr, /--out/);
  });
});

test('a damaged picture is skipped and told of; the others are answered', () => {
  const damaged = join(folder, 'damaged');
  writePng(join(damaged, 'whole.png'), 64, 48, 4);
  writeFileSync(join(damaged, 'half.png'), readFileSync(join(damaged, 'whole.png')).subarray(0, 60));
  const out = join(folder, 'damaged-out');
  const end = predict('--out', out, damaged);
  assert.equal(end.status, 0, end.stderr);
  assert.match(end.stderr, /skipped .*half\.png/);
  assert.ok(existsSync(join(out, '0001-whole.jpg')) && !existsSync(join(out, '0000-half.jpg')));
});

test('for people: what was found in each, and what to type next', () => {
  const end = predict('--score', '1', photos);
  assert.match(end.stdout, /b\.png: nothing/);
  assert.match(end.stdout, /next: add --out/);
});

describe('refused', () => {
  const cases: [string, string[], number, RegExp][] = [
    ['no path', [], 2, /HD_USAGE/],
    ['a score above 1', ['--score', '1.5', '.'], 2, /--score/],
    ['a score that is no number', ['--score', 'high', '.'], 2, /--score/],
  ];
  for (const [name, args, code, pattern] of cases) {
    test(name, () => {
      const end = predict(...args);
      assert.equal(end.status, code, `${end.stdout}${end.stderr}`);
      assert.match(end.stderr, pattern);
    });
  }
  test('a folder without pictures: 3', () => {
    mkdirSync(join(folder, 'empty'), { recursive: true });
    const end = predict(join(folder, 'empty'));
    assert.equal(end.status, 3, end.stderr);
    assert.match(end.stderr, /HD_DATA_EMPTY/);
  });
});
