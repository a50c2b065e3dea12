import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type NativeDataset, type NativeEvaluator, native } from '../../../lib/native.ts';
import { drawStep, type RunDiagnosis, writeDiagnosis } from '../../../lib/trainer/diagnosis.ts';
import { evaluatePass } from '../../../lib/trainer/evaluate.ts';
import { checkpointName, RunFolder } from '../../../lib/trainer/run-folder.ts';
import { openLoader, sessionOptions } from '../../../lib/trainer/setup.ts';
import { temporaryFolder } from '../../faults/command.ts';
import { openTrain, recipeOf } from './fixtures.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

let dataset: NativeDataset;
let folder: RunFolder;
let blind: NativeEvaluator;
let number = 0;
before(async () => {
  dataset = await openTrain(recipeOf());
  blind = new (native().Evaluator)(dataset);
});
beforeEach(() => {
  folder = new RunFolder(join(root, `run-${number++}`));
  mkdirSync(folder.path);
});

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const read = () => JSON.parse(readFileSync(folder.file('diagnosis.json'), 'utf8')) as RunDiagnosis;
/** Of all pictures; crowds and difficult ones do not occur in drawn scenes. */
const truths = () => sum(Array.from({ length: dataset.length }, (_, i) => dataset.image(i).labels.length));

describe('diagnosis.json', () => {
  test('of a detector that finds nothing: everything is missed', async () => {
    await writeDiagnosis(folder, blind, dataset.classes, 7);
    const { step, classes, iou, score, curves, confusion, errors, costs, sizes, ap } = read();
    assert.deepEqual([step, classes, iou, score, ap], [7, dataset.classes, 0.5, 0.3, 0]);
    assert.deepEqual(
      curves.map(({ name, precision, scores }) => [name, precision.length, scores.length]),
      dataset.classes.map((name) => [name, 101, 101]),
    );
    assert.deepEqual(
      confusion.map((row) => row.length),
      Array(dataset.classes.length + 1).fill(dataset.classes.length + 1),
    );
    assert.equal(sum(confusion.map((row) => row.at(-1) ?? 0)), truths());
    assert.deepEqual(errors, {
      classification: 0,
      localization: 0,
      both: 0,
      duplicate: 0,
      background: 0,
      missed: truths(),
    });
    assert.equal(costs.missed, 1);
    assert.deepEqual(
      sizes.map(({ name, found }) => [name, found]),
      [
        ['small', 0],
        ['medium', 0],
        ['large', 0],
      ],
    );
    assert.equal(sum(sizes.map((size) => size.truths)), truths());
  });
  test('of a real pass: the AP of the metrics, in one file and nothing beside it', async () => {
    const recipe = recipeOf({ eval: { scoreThreshold: 0, iouThreshold: 1 } });
    const session = await native().createSession(sessionOptions(recipe, dataset.classes.length, false));
    const loader = openLoader(recipe, dataset, false, 32);
    const { evaluator, metrics } = await evaluatePass(recipe, session, dataset, loader);
    await writeDiagnosis(folder, evaluator, dataset.classes, 1);
    await writeDiagnosis(folder, evaluator, dataset.classes, 2);
    loader.close();
    session.close();
    const { ap, step, errors } = read();
    assert.ok(Math.abs(ap - Number(metrics.ap50)) < 1e-12);
    assert.equal(step, 2);
    assert.ok(sum(Object.values(errors)) > 0);
    assert.deepEqual(readdirSync(folder.path), ['diagnosis.json']);
  });
});

describe('drawStep', () => {
  const drawn = () => readdirSync(folder.file('pictures')).sort();
  const draw = (step: number, count = 2) => drawStep(folder, dataset, blind, step, count);

  test('the same pictures at every step, each step in a folder of its own', async () => {
    const [first, second] = [await draw(3), await draw(6)];
    assert.deepEqual(drawn(), [checkpointName(3), checkpointName(6)]);
    assert.equal(first.length, 2);
    assert.deepEqual(
      second.map((path) => path.replace(checkpointName(6), checkpointName(3))),
      first,
    );
    for (const path of [...first, ...second]) assert.ok(statSync(path).size > 0);
  });
  test('the first and the last three stay', async () => {
    for (const step of [10, 20, 30, 40, 50, 60]) await draw(step, 1);
    assert.deepEqual(drawn(), [10, 40, 50, 60].map(checkpointName));
  });
  test('a run that went back drops what it has yet to do, and draws anew', async () => {
    for (const step of [10, 20, 30]) await draw(step, 2);
    await draw(20, 1);
    assert.deepEqual(drawn(), [10, 20].map(checkpointName));
    assert.equal(readdirSync(folder.file('pictures', checkpointName(20))).length, 1);
  });
  test('what else lies there is left alone', async () => {
    mkdirSync(folder.file('pictures', 'step-by-step'), { recursive: true });
    writeFileSync(folder.file('pictures', 'mine.jpg'), 'mine');
    for (const step of [1, 2, 3, 4, 5, 6]) await draw(step, 1);
    assert.deepEqual(drawn(), ['mine.jpg', 'step-by-step', ...[1, 4, 5, 6].map(checkpointName)].sort());
  });
  test('no pictures wanted: no folder', async () => {
    assert.deepEqual(await draw(3, 0), []);
    assert.equal(existsSync(folder.file('pictures')), false);
  });
});
