/** Recipes and overrides that are broken or hostile: what their writer reads (faults 14 and 15). */
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { failure, load, shortest } from '../unit/recipe/helpers.ts';
import { temporaryFolder, writeRecipe } from './command.ts';
import { tells } from './sentences.ts';
import { train } from './train.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

test('14: tabs, double keys, bombs of aliases and unknown keys are refused with their line', () => {
  const bomb = Array.from(
    { length: 9 },
    (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i}, `.repeat(9)}*l${i}]`,
  ).join('\n');
  const recipes: [string, string, number][] = [
    ['data:\n\tformat: synthetic\n', 'HD_RECIPE_SYNTAX', 2],
    [`${shortest}model: {}\nmodel: {}\n`, 'HD_RECIPE_DUPLICATE_KEY', 3],
    [`l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n${bomb}\n`, 'HD_RECIPE_LIMIT', 5],
    [`${shortest}train: { epocs: 3 }\n`, 'HD_RECIPE_UNKNOWN_KEY', 2],
  ];
  for (const [text, code, line] of recipes) {
    const error = failure(text);
    tells(error, code, `a.yaml:${line}`);
    assert.equal(error.exitCode, 2);
  }
  assert.match(failure(`${shortest}train: { epocs: 3 }\n`).message, /epochs/);
});

test('14: 1e-3 is a number and no is a text, as YAML 1.2 has it', () => {
  assert.equal(load(`${shortest}train: { lr: 1e-3 }\n`).recipe.train.lr, 0.001);
  assert.equal(failure(`${shortest}train: { lr: no }\n`).problems[0]?.code, 'HD_RECIPE_TYPE');
});

test('14: names of loss terms and parameters that are not there end a run before its first step', async () => {
  const recipe = writeRecipe(folder);
  for (const [i, [field, place]] of [
    ['train.lossWeights={cls: 2, ld: 3}', 'train.lossWeights.ld'],
    ['train.freeze=["backbone.*", "nek.*"]', 'train.freeze.1'],
    ['train.groups=[{match: "*.biass", lr: 2}]', 'train.groups.0.match'],
  ].entries()) {
    const into = join(folder, `run-${i}`);
    const { error, events } = await train(recipe, into, { set: [field as string] });
    tells(error, 'HD_RECIPE_VALUE', place);
    assert.equal(error?.exitCode, 2);
    assert.deepEqual(events, []);
    assert.ok(!existsSync(join(into, 'recipe.yaml')));
  }
});

test('15: overrides that mean nothing are refused; of one path the later wins', () => {
  const refused: [string[], string, string][] = [
    [['train.lr'], 'HD_RECIPE_OVERRIDE', "'train.lr'"],
    [['train.epocs=3'], 'HD_RECIPE_UNKNOWN_KEY', 'epochs'],
    [['data.augment.7.flip.probability=1'], 'HD_RECIPE_OVERRIDE', 'data.augment.7'],
    [
      ['train.optimizer={kind: sgd}', 'train.optimizer.momentum=0.8'],
      'HD_RECIPE_OVERRIDE',
      'train.optimizer',
    ],
    [[`${'a.'.repeat(1000)}a=1`], 'HD_RECIPE_LIMIT', 'levels'],
  ];
  for (const [set, code, place] of refused) tells(failure(shortest, { set }), code, place);
  assert.equal(load(shortest, { set: ['train.lr=0.5', 'train.lr=0.25'] }).recipe.train.lr, 0.25);
});
