import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { run, temporaryFolder, writeRecipe } from '../../faults/command.ts';
import { type Box, writeCoco, writePng } from './files.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

const boxes = (images: number): Box[] =>
  Array.from({ length: images }, (_, i) => ({ image: i + 1, category: i % 2 ? 7 : 3, box: [4, 4, 30, 20] }));

/** A COCO data set of its own folder and a recipe for it. */
function dataSet(name: string, truths = boxes(6), more = ''): { root: string; config: string } {
  const root = join(folder, name);
  writeCoco(join(root, 'train.json'), 6, truths, join(root, 'train'));
  writeCoco(join(root, 'val.json'), 2, boxes(2));
  for (const id of [1, 2]) writePng(join(root, 'val', `picture-${id}.png`), 64, 48, 50 + id);
  const config = writeRecipe(
    root,
    `model: { neckChannels: 32, headChannels: 32, headConvs: 1 }
data:
  format: coco
  size: 64
  train: { images: ${join(root, 'train')}, annotations: ${join(root, 'train.json')} }
  val: { images: ${join(root, 'val')}, annotations: ${join(root, 'val.json')} }
train: { epochs: 3, batch: 2, threads: 1 }
${more}`,
  );
  return { root, config };
}

interface Checked {
  timeline: { totalSteps: number; stepsPerEpoch: number };
  learningRate: { step: number; epoch: number; rate: number; what: string }[];
  missedDrops: number;
  canvases: [number, number][];
  weights: unknown;
  warnings: string[];
  splits: Record<
    string,
    { images: number; trainable: number; annotations: number; findingCounts: Record<string, number> }
  >;
  leaks: { file: string; other: string }[];
}
function checked(config: string, ...args: string[]): Checked {
  const end = run(['check', '--config', config, '--json', ...args]);
  assert.equal(end.status, 0, end.stderr);
  return JSON.parse(end.stdout);
}

test('a sound data set: counts, steps, canvases, no findings', () => {
  const { config } = dataSet('sound');
  const found = checked(config);
  assert.deepEqual([found.timeline.totalSteps, found.timeline.stepsPerEpoch], [9, 3]);
  assert.deepEqual(
    [found.splits.train?.images, found.splits.train?.trainable, found.splits.train?.annotations],
    [6, 6, 6],
  );
  assert.equal(found.splits.val?.images, 2);
  assert.deepEqual(found.leaks, []);
  assert.equal(found.weights, null);
  assert.ok(found.canvases.length >= 1 && found.canvases.every(([h, w]) => h % 32 === 0 && w % 32 === 0));
});

test('the course of the learning rate: first, warm, each drop, last; and drops that never come', () => {
  const { config } = dataSet('rates');
  const set = [
    'train.schedule={kind: steps, unit: steps, at: [3, 6, 40]}',
    'train.warmup={length: 2, unit: steps, ratio: 0.5}',
    'train.lr=0.16',
  ].flatMap((field) => ['--set', field]);
  const { learningRate, missedDrops } = checked(config, ...set);
  assert.deepEqual(
    learningRate.map(({ step, epoch, rate, what }) => [step, epoch, Number(rate.toPrecision(6)), what]),
    [
      [1, 1, 0.01, 'first'],
      [3, 1, 0.02, 'warm-up is over'],
      [4, 2, 0.002, 'drop'],
      [7, 3, 0.0002, 'drop'],
      [9, 3, 0.0002, 'last'],
    ],
  );
  assert.equal(missedDrops, 1);
  const text = run(['check', '--config', config, ...set]).stdout;
  assert.match(text, /step +epoch +learning rate\n +1 +1 +0\.0100 +first\n/);
  assert.match(
    text,
    /1 of the drops in train\.schedule\.at never happen: the run ends, or averaging begins, before them/,
  );
  const many = Array.from({ length: 40 }, (_, i) => (i + 1) / 41).join(', ');
  const long = run([
    'check',
    '--config',
    config,
    '--set',
    'train.epochs=40',
    '--set',
    `train.schedule={kind: steps, unit: run, at: [${many}]}`,
  ]).stdout;
  assert.match(long, /\d+ more drops before the last step/);
});

test('names that stand for nothing are refused, as a run would', () => {
  const { config } = dataSet('names');
  for (const [field, where, cure] of [
    ['train.lossWeights={boxx: 2}', 'train.lossWeights.boxx', "did you mean 'box'?"],
    ['train.freeze=["bakbone.*"]', 'train.freeze.0', "did you mean 'backbone.*'?"],
    ['train.groups=[{match: "*.biass"}]', 'train.groups.0.match', "did you mean '*.bias'?"],
  ] as const) {
    const end = run(['check', '--config', config, '--json', '--set', field]);
    assert.equal(end.status, 2, end.stderr);
    const error = JSON.parse(end.stderr);
    assert.deepEqual([error.code, error.where], ['HD_RECIPE_VALUE', where]);
    assert.ok(error.message.endsWith(cure), error.message);
  }
});

test('a picture that val shares with train is told of', () => {
  const { root, config } = dataSet('leaky');
  copyFileSync(join(root, 'train', 'picture-3.png'), join(root, 'val', 'picture-2.png'));
  const { leaks } = checked(config);
  assert.equal(leaks.length, 1);
  assert.match(`${leaks[0]?.file} ${leaks[0]?.other}`, /picture-3\.png/);
  assert.deepEqual(checked(config, '--no-leakage').leaks, []);
});

test('a damaged picture and a missing one are findings, found only by decoding', () => {
  const { root, config } = dataSet('damaged');
  writeFileSync(join(root, 'train', 'picture-2.png'), 'not a picture');
  rmSync(join(root, 'train', 'picture-5.png'));
  const counts = checked(config).splits.train?.findingCounts ?? {};
  assert.ok(Object.values(counts).reduce((a, b) => a + b, 0) >= 2, JSON.stringify(counts));
  const text = run(['check', '--config', config]).stdout;
  assert.match(text, /picture-2\.png/);
  assert.match(text, /picture-5\.png/);
});

test('boxes outside their picture and without area are findings', () => {
  const { config } = dataSet('odd', [
    { image: 1, category: 3, box: [200, 200, 30, 20] },
    { image: 2, category: 3, box: [4, 4, 0, 20] },
    { image: 3, category: 7, box: [4, 4, 30, 20] },
  ]);
  const { train } = checked(config).splits;
  assert.ok((train?.trainable ?? 6) <= 6);
  assert.ok(Object.keys(train?.findingCounts ?? {}).length > 0);
});

test('a data set without a usable picture ends with 3', () => {
  const { root, config } = dataSet('useless');
  mkdirSync(join(root, 'none'), { recursive: true });
  const end = run([
    'check',
    '--config',
    config,
    '--set',
    'data.keepEmpty=false',
    '--set',
    `data.train.annotations=${join(root, 'empty.json')}`,
  ]);
  writeCoco(join(root, 'empty.json'), 6, []);
  const again = run([
    'check',
    '--config',
    config,
    '--set',
    'data.keepEmpty=false',
    '--set',
    `data.train.annotations=${join(root, 'empty.json')}`,
  ]);
  assert.equal(end.status, 3, end.stderr); // the file is missing
  assert.equal(again.status, 3, again.stderr);
});

test('for people: a verdict, tables and what to type next', () => {
  const { config } = dataSet('people');
  const end = run(['check', '--config', config]);
  assert.equal(end.status, 0, end.stderr);
  assert.match(end.stdout, /the recipe is valid/);
  assert.match(end.stdout, /9 steps of 2 pictures, 3 an epoch/);
  assert.match(end.stdout, /weights: none, from scratch/);
  assert.match(end.stdout, /cat +3 +3/);
  assert.match(end.stdout, /next: npx hdtrain --config/);
});

describe('refused', () => {
  test('weights that are not there: 4, before the data is read', () => {
    const { config } = dataSet('weightless', boxes(6));
    const end = run(['check', '--config', config, '--set', 'model.weights=/nowhere/w.pth']);
    assert.equal(end.status, 4, end.stderr);
    assert.match(end.stderr, /w\.pth/);
  });
  test('a teacher that is not there: 4', () => {
    const { config } = dataSet(
      'untaught',
      boxes(6),
      'teachers: [{ weights: /nowhere/t.pth }]\ndistill: [{ transfer: localization }]\n',
    );
    const end = run(['check', '--config', config]);
    assert.equal(end.status, 4, end.stderr);
    assert.match(end.stderr, /t\.pth/);
  });
});

test('objects cannot be cut out of a data set without polygons, and check says so', () => {
  const { config } = dataSet('no-polygons');
  const text = readFileSync(config, 'utf8').replace(
    '  size: 64\n',
    '  size: 64\n  augment: [{ copyPaste: { close: 0 } }]\n',
  );
  writeFileSync(config, text);
  const end = run(['check', '--config', config]);
  assert.equal(end.status, 3);
  assert.match(
    end.stderr,
    /expected objects with polygons for data\.augment\.copyPaste but received .* without any/,
  );
});
