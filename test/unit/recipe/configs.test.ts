/** The recipes that are shipped. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { load as loadYaml } from 'js-yaml';
import { loadRecipe } from '../../../lib/recipe/index.ts';
import { baseLearningRate } from '../../../lib/trainer/schedule.ts';
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
      assert.equal(train.batch, depth === 18 ? 6 : 16);
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

/** The comment above a recipe, as one line. */
const headOf = (name: string) =>
  read(name)
    .split('\n')
    .filter((line) => line.startsWith('#'))
    .map((line) => line.slice(1).trim())
    .join(' ');

const isValuable = (entry: object) => 'region' in entry && entry.region === 'valuable';

describe('recipes of published rows', () => {
  const published = recipes.filter((name) => /_(coco|voc)_\dx/.test(name));

  for (const name of published) {
    test(`${name} quotes what was published, names its presets, and trains as long`, () => {
      const head = headOf(name);
      const { model, data, teachers, distill, train } = load(name).recipe;
      assert.match(head, /Published.*: AP \d\d\.\d|No AP is published/);
      assert.match(head, /not run here/);
      assert.match(head, /preset (released|robust)/i);
      const two = model.detector === 'retinanet' || name.startsWith('ld/r50_r101_coco_1x_finegrained');
      const images = two ? [4] : /_1x|^ld/.test(name) ? [6, 16] : [16];
      assert.ok(images.includes(train.batch));
      const norm = model.detector === 'fcos' ? 'frozen' : 'eval';
      assert.deepEqual([model.init, model.frozenStages, model.norm], ['backbone', 1, norm]);
      const passes = (train.epochs ?? 0) * data.repeat;
      const ofFiles: Record<string, number> = {
        'ld/r18_self_voc_3x.yaml': 36,
        'gflv2/r18_r101_voc_1x.yaml': 18,
      };
      assert.equal(passes, ofFiles[name] ?? (/_2x/.test(name) ? 24 : 12));
      assert.equal(teachers.length, distill.length > 0 ? 1 : 0);
      const pair = /\/\w+_(self|r101|r101dcn|r2n101dcn)_(coco|voc)_/.test(name);
      assert.equal(pair, distill.length > 0, name);
    });
  }

  test('every transfer names its preset, the one that the header tells', () => {
    const transferring = published.filter((name) => load(name).recipe.distill.length > 0);
    assert.ok(transferring.length >= 30);
    for (const name of transferring) {
      const told = /(?:The transfer has|Transfers have) preset (released|robust)/.exec(headOf(name))?.[1];
      const written = (loadYaml(read(name)) as { distill?: { preset?: string }[] }).distill;
      for (const entry of written ?? []) assert.equal(entry.preset, told, `${name} as written`);
      for (const entry of load(name).recipe.distill) assert.equal(entry.preset, told, name);
      const single = load(name).recipe.distill.length === 1;
      assert.equal(headOf(name).includes('The transfer has'), single, `${name}: one or several`);
    }
  });

  test('preset released sees the images of a GPU at once', () => {
    const released = published.filter((name) =>
      load(name).recipe.distill.some((entry) => entry.preset === 'released'),
    );
    assert.deepEqual([...new Set(released.map((name) => dirname(name)))], ['imitation']);
    for (const name of released) {
      const { train } = load(name).recipe;
      const images = Number(/micro-batches of the (\d) images of a GPU/.exec(headOf(name))?.[1]);
      assert.equal(train.batch / train.accumulate, images, name);
    }
  });

  test('transfers that average over images carry LD times the images of a GPU', () => {
    const main = published.flatMap((name) =>
      load(name)
        .recipe.distill.filter(({ transfer, ...entry }) => transfer === 'localization' && !isValuable(entry))
        .map((entry) => ({ name, entry })),
    );
    assert.ok(main.length >= 12);
    for (const { name, entry } of main) {
      const images = Number(/sums over the (\d) images/.exec(headOf(name))?.[1]);
      const base = load(name).recipe.model.detector === 'retinanet' ? 5 : 0.25;
      assert.deepEqual([entry.preset, entry.weight], ['robust', images * base], name);
    }
  });

  test('the rate follows the batch as published', () => {
    const rates = new Map(
      published.map((name) => {
        const { train } = load(name).recipe;
        return [train.batch, baseLearningRate(train)];
      }),
    );
    assert.deepEqual(
      new Map([...rates].sort(([a], [b]) => a - b)),
      new Map([
        [4, 0.0025],
        [6, 0.00375],
        [16, 0.01],
      ]),
    );
  });

  test('VOC is 07+12 three times over (once for the teacher of 24 epochs), measured by the mean of ten 11-point APs', () => {
    for (const name of published.filter((one) => one.includes('_voc_'))) {
      const { data, eval: evaluation } = load(name).recipe;
      assert.ok(data.format === 'voc');
      const repeat = name === 'gflv2/r101_voc_2x.yaml' ? 1 : 3;
      assert.deepEqual([data.repeat, data.train.also.length, data.val?.also.length], [repeat, 1, 0]);
      assert.equal((data.train.classes as string[]).length, 20);
      assert.deepEqual(
        [evaluation.metric, evaluation.interpolation, evaluation.best],
        ['voc', '11point', 'ap'],
      );
    }
  });

  test('what the shipped files of GFLv2 pairs say of classes and imitation', () => {
    const weights = (name: string) =>
      load(`gflv2/${name}.yaml`)
        .recipe.distill.filter(({ transfer }) => transfer !== 'localization')
        .map(({ weight }) => weight);
    for (const [name, expected] of Object.entries({
      r50_r101_coco_1x_gibox: [10, 2],
      r101_r101dcn_coco_2x: [5, 2],
      r101_r2n101dcn_coco_2x: [10, 2],
      x101_32x4d_dcn_r2n101dcn_coco_2x: [5, 1],
      r2n101dcn_self_coco_2x_gibox: [5, 2],
      r18_r101_voc_1x: [5, 2],
    })) {
      assert.deepEqual(weights(name), expected, name);
    }
  });

  test('the guide counts the recipes of every folder', () => {
    const guide = readFileSync(join(root, 'docs/guide/distill.md'), 'utf8');
    for (const folder of new Set(published.map((name) => dirname(name)))) {
      const count = published.filter((name) => dirname(name) === folder).length;
      assert.match(guide, new RegExp(`\\| \`configs/${folder}\` +\\| ${count} `), folder);
    }
  });

  test('the 2x recipes draw the short side from 480 to what the header tells', () => {
    const told = published.flatMap((name) => {
      const most = /the short side drawn from 480 to (\d+)/.exec(headOf(name))?.[1];
      return most === undefined ? [] : [[name, Number(most)] as const];
    });
    assert.ok(told.length >= 14 && told.some(([name]) => name === 'gfl/r101_coco_2x.yaml'));
    for (const [name, most] of told) {
      const sizes = [
        [1333, 480],
        [1333, most],
      ];
      assert.deepEqual(
        load(name).recipe.data.augment[0],
        { resize: { mode: 'range', sizes, keepRatio: true } },
        name,
      );
      if (name.startsWith('gflv2/') && name.includes('_coco_') && !name.includes('r101_r2n'))
        assert.equal(most, 960, name);
    }
  });

  test('deformable layers: from c3 in ResNet, from c4 in ResNeXt and Res2Net, of students and teachers', () => {
    const seen = new Set<string>();
    for (const name of published) {
      const { model, teachers } = load(name).recipe;
      for (const { backbone, deformable } of [model, ...teachers] as Pick<
        typeof model,
        'backbone' | 'deformable'
      >[]) {
        if (!deformable) continue;
        seen.add(backbone);
        const stages = backbone.startsWith('resnet') ? [2, 3, 4] : [3, 4];
        assert.deepEqual([deformable.stages, deformable.version], [stages, 1], `${name}: ${backbone}`);
      }
    }
    assert.deepEqual([...seen].sort(), [
      'res2net101_26w_4s',
      'resnet101',
      'resnext101_32x4d',
      'resnext101_64x4d',
    ]);
  });
});
