import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { RunDiagnosis } from '../../../lib/trainer/diagnosis.ts';
import { run, temporaryFolder, writeRecipe } from '../../faults/command.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const config = writeRecipe(folder);
const trained = join(folder, 'trained');
const weights = join(trained, 'student.safetensors');
const evaluate = (...args: string[]) => run(['eval', '--config', config, '--weights', weights, ...args]);

interface Evaluation {
  diagnosis: RunDiagnosis;
  eval: Record<string, number> & { perClass: { name: string; truths: number }[] };
  images: number;
  seconds: number;
  pictures: string[];
}
function evaluated(...args: string[]): Evaluation {
  const end = evaluate('--json', ...args);
  assert.equal(end.status, 0, end.stderr);
  return JSON.parse(end.stdout);
}

before(() => {
  const end = run([
    '--config',
    config,
    '--run',
    trained,
    ...['--set', 'train.epochs=12', '--set', 'train.lr=0.02'],
    ...['--set', 'eval.every=0', '--set', 'checkpoint.epochs=0'],
  ]);
  assert.equal(end.status, 0, end.stderr);
});

/** The run's own last evaluation. */
function lastEvaluation() {
  const lines = readFileSync(join(trained, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line)).findLast(({ type }) => type === 'eval');
}

test('gives the numbers that the run ended with', () => {
  const last = lastEvaluation();
  const now = evaluated();
  for (const key of ['ap', 'ap50', 'ap75', 'ar100']) assert.equal(now.eval[key], last.eval[key], key);
  assert.equal(now.images, 4);
  assert.ok(now.seconds > 0);
  assert.deepEqual(now.pictures, []);
});

test('memory that runs out is told on stderr; the numbers are the same', () => {
  const end = evaluate('--json', '--set', 'debug.fault={point: evaluate, action: memory}');
  assert.equal(end.status, 0, end.stderr);
  assert.match(end.stderr, /^warning: out of memory: from here on pictures are detected 2 at once/);
  assert.equal(JSON.parse(end.stdout).eval.ap, lastEvaluation().eval.ap);
});

test('the diagnosis is the one that the run left behind', () => {
  const { step, classes, ...left } = JSON.parse(readFileSync(join(trained, 'diagnosis.json'), 'utf8'));
  assert.deepEqual(evaluated().diagnosis, left);
  assert.equal(step, lastEvaluation().step);
  assert.equal(left.confusion.length, classes.length + 1);
});

test('the best score threshold is the one that predict can be given', () => {
  const { diagnosis } = evaluated('--split', 'train');
  const { byScore, best } = diagnosis.mean;
  const highest = Math.max(...byScore.f1);
  assert.equal(byScore.f1.length, 101);
  assert.equal(highest, Number(best.f1.toFixed(4)));
  // So short a training may have found nothing.
  assert.equal(best.score === -1 ? 0 : byScore.f1[Math.round(100 * best.score)], highest);
  for (const curve of diagnosis.curves) assert.equal(curve.byScore.recall.length, 101, curve.name);
});

test('the training split, other thresholds, other suppression', () => {
  assert.equal(evaluated('--split', 'train').images, 12);
  const all = evaluated('--set', 'eval.maxDetections=1');
  const truths = all.eval.perClass.reduce((sum, { truths: number }) => sum + number, 0);
  assert.ok(truths > 4);
  assert.ok((all.eval.ar100 ?? Number.NaN) <= 4 / truths + 1e-9);
  const voting = evaluated(
    '--set',
    'eval.suppression.kind=cluster-diou',
    '--set',
    'eval.suppression.voting=score',
  );
  assert.ok(voting.eval.ap !== undefined);
});

test('--flip: twice the looks, other numbers; the same as eval.flip', () => {
  const looked = (...args: string[]) =>
    evaluated('--split', 'train', '--set', 'eval.scoreThreshold=0.001', ...args).eval;
  const plain = looked();
  const flip = looked('--flip');
  assert.notDeepEqual(flip, plain);
  assert.deepEqual(looked('--set', 'eval.flip=true'), flip);
  assert.deepEqual(looked('--set', 'eval.flip=true', '--no-flip'), plain);
});

describe('what it writes', () => {
  test('--out: a COCO result file of whole rows', () => {
    const out = join(folder, 'detections.json');
    evaluated('--out', out, '--set', 'eval.scoreThreshold=0.001');
    const rows = JSON.parse(readFileSync(out, 'utf8'));
    assert.ok(rows.length > 0);
    for (const row of rows.slice(0, 20)) {
      assert.equal(row.bbox.length, 4);
      assert.ok(row.score > 0 && row.score <= 1 && Number.isInteger(row.image_id));
      assert.ok(row.bbox[2] >= 0 && row.bbox[3] >= 0);
    }
  });
  test('--pictures: some pictures of truth and predictions', () => {
    const out = join(folder, 'drawn');
    const { pictures } = evaluated('--pictures', out);
    assert.equal(pictures.length, 1); // eval.pictures of the recipe
    assert.ok(pictures.every((file) => existsSync(file)));
    assert.equal(readdirSync(out).length, 1);
  });
});

test('for people: classes, numbers, time and what to type next', () => {
  const end = evaluate();
  assert.match(end.stdout, /circle/);
  assert.match(end.stdout, /^ap {2,}(–|0\.\d{4}|0|1)$/m);
  assert.match(end.stdout, /^errors .*AP50 lost\n(\w+ .* \d+ +\d[\d.]*\n){6}/m);
  assert.match(end.stdout, /^small +\d+ +\d+\nmedium +\d+ +\d+\nlarge +\d+ +\d+$/m);
  assert.match(end.stdout, /^class .*AP75 {2}best score$/m);
  assert.match(end.stdout, /4 pictures in /);
  assert.match(end.stdout, /next: .*--pictures/);
});

test('the same bits with one thread or two', () => {
  const one = evaluated('--threads', '1'),
    two = evaluated('--threads', '2');
  assert.deepEqual(one.eval, two.eval);
});

describe('refused', () => {
  const cases: [string, string[], number, RegExp][] = [
    ['a split that is none', ['--split', 'test'], 2, /split/],
    ['pictures into a file', ['--pictures', weights], 2, /--pictures/],
    ['threads that are no number', ['--threads', 'many'], 2, /threads/],
    [
      'validation pictures that a recipe does not have',
      ['--set', 'data.val=null'],
      3,
      /validation pictures \(data\.val\).*--split train/,
    ],
  ];
  for (const [name, args, code, pattern] of cases) {
    test(name, () => {
      const end = evaluate(...args);
      assert.equal(end.status, code, `${end.stdout}${end.stderr}`);
      assert.match(end.stderr, pattern);
    });
  }
  test('weights that are missing, or none', () => {
    const none = join(folder, 'none.safetensors'),
      text = join(folder, 'text.safetensors');
    writeFileSync(text, 'no weights at all, but long enough for a header');
    for (const file of [none, text]) {
      const end = run(['eval', '--config', config, '--weights', file]);
      assert.equal(end.status, 4, end.stderr);
      assert.ok(end.stderr.includes(file), end.stderr);
    }
  });
});
