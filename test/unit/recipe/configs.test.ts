/** The recipes that are shipped. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { load as loadYaml } from 'js-yaml';
import { loadRecipe } from '../../../lib/recipe/index.ts';
import { folderOf } from './helpers.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const configs = join(root, 'configs');
const files = (readdirSync(configs, { recursive: true }) as string[])
  .filter((name) => name.endsWith('.yaml'))
  .sort();
const recipes = files.filter((name) => !name.startsWith('_base/'));
const bases = files.filter((name) => name.startsWith('_base/'));
const read = (name: string) => readFileSync(join(configs, name), 'utf8');
const load = (name: string, set: string[] = []) => loadRecipe(join(configs, name), { set });

test('there are some', () => {
  assert.ok(recipes.length >= 6 && bases.length >= 2, files.join(' '));
});

describe('every file', () => {
  for (const name of files) {
    test(`${name} names the schema first, and explains itself`, () => {
      const lines = read(name).split('\n');
      const schema = /^# yaml-language-server: \$schema=(.*)$/.exec(lines[0] ?? '')?.[1] ?? '';
      assert.equal(resolve(dirname(join(configs, name)), schema), join(root, 'dist/recipe.schema.json'));
      assert.match(lines.slice(1, 4).join('\n'), /^# \w/m);
      assert.ok(lines.every((line) => line.length <= 120 && !/\s$/.test(line)));
    });
  }
});

describe('every recipe', () => {
  for (const name of recipes) {
    test(`${name} loads without a remark`, () => {
      assert.deepEqual(load(name).warnings, []);
    });

    test(`${name} tells its command`, () => {
      assert.ok(read(name).includes(`npx hdtrain --config configs/${name}`));
    });
  }
});

describe('every base', () => {
  for (const name of bases) {
    test(`${name} lacks nothing but its data`, () => {
      const own = `extends: ${join(configs, name)}\nmodel: {weights: w.pth}\ndata: {format: synthetic, train: {count: 1600}, val: {count: 9}}\n`;
      const folder = folderOf({ 'own.yaml': own });
      assert.deepEqual(loadRecipe('own.yaml', { cwd: folder }).warnings, []);
    });
  }
});

describe('the quickstart', () => {
  const text = read('quickstart.yaml');

  test('is complete in itself, in block style', () => {
    assert.ok(!('extends' in (loadYaml(text) as object)));
    assert.doesNotMatch(text.replace(/#.*$/gm, ''), /[{}]/);
  });

  test('has the numbers that scripts change on lines of their own', () => {
    const { recipe } = load('quickstart.yaml');
    assert.ok(recipe.data.format === 'synthetic');
    assert.match(text, new RegExp(`^  epochs: ${recipe.train.epochs}$`, 'm'));
    assert.match(text, new RegExp(`^  train:\n    count: ${recipe.data.train.count}$`, 'm'));
    assert.match(text, new RegExp(`^  val:\n    count: ${recipe.data.val?.count}$`, 'm'));
  });

  test('stays valid when scripts make it tiny, by text or by --set', () => {
    const tiny = text
      .replace(/^ {2}epochs: .*$/m, '  epochs: 1')
      .replace(/^( {2}train:\n {4}count:) .*$/m, '$1 16')
      .replace(/^( {2}val:\n {4}count:) .*$/m, '$1 4');
    const edited = loadRecipe('tiny.yaml', { cwd: folderOf({ 'tiny.yaml': tiny }) }).recipe;
    const set = load('quickstart.yaml', ['train.epochs=1', 'data.train.count=16', 'data.val.count=4']).recipe;
    assert.deepEqual(edited, set);
    assert.ok(set.data.format === 'synthetic');
    assert.deepEqual([set.train.epochs, set.data.train.count, set.data.val?.count], [1, 16, 4]);
  });

  test('is saved often enough for a demonstration', () => {
    assert.equal(load('quickstart.yaml').recipe.checkpoint.seconds, 2);
  });
});

describe('real data', () => {
  for (const [name, format] of [
    ['bccd', 'voc'],
    ['chess', 'coco'],
    ['cones', 'yolo'],
  ] as const) {
    test(`${name} lies beside the checkout`, (context) => {
      const { data, model } = load(`gfl/r18_${name}.yaml`).recipe;
      assert.equal(data.format, format);
      assert.equal(model.weights, null, 'from scratch');
      const paths = [data.train, data.val].flatMap((split) =>
        Object.values(split ?? {}).filter((value) => typeof value === 'string'),
      );
      assert.ok(paths.length >= 4);
      for (const path of paths) assert.ok(path.startsWith(resolve(root, '../shared/datasets', name)), path);
      if (!existsSync(resolve(root, '../shared/datasets'))) return context.skip('the data sets are not here');
      for (const path of paths) assert.ok(existsSync(path), path);
    });
  }
});

describe('the released settings', () => {
  for (const depth of [18, 50]) {
    test(`GFL ResNet-${depth}, COCO, 12 epochs`, () => {
      const { model, data, train } = load(`gfl/r${depth}_coco_1x.yaml`).recipe;
      assert.deepEqual(
        [
          model.backbone,
          model.norm,
          model.frozenStages,
          model.preset,
          model.init,
          model.headConvs,
          model.regMax,
        ],
        [`resnet${depth}`, 'eval', 1, 'released', 'backbone', 4, 16],
      );
      assert.deepEqual([data.size, data.keepEmpty, data.minSide], [[1333, 800], false, 32]);
      assert.deepEqual(
        [train.epochs, train.lr, train.lrBatch, train.clip, train.ema],
        [12, 0.01, 16, 0, null],
      );
      assert.deepEqual(
        [train.optimizer.momentum, train.optimizer.weightDecay, train.optimizer.noDecay],
        [0.9, 1e-4, []],
      );
      assert.deepEqual(
        [train.schedule.kind, train.schedule.at, train.schedule.gamma],
        ['steps', [8, 11], 0.1],
      );
      assert.deepEqual(
        [train.warmup.kind, train.warmup.length, train.warmup.unit, train.warmup.ratio],
        ['linear', 500, 'steps', 0.001],
      );
    });
  }
});
