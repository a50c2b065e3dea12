import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { applyOverrides, parseOverrides } from '../../../lib/recipe/overrides.ts';
import type { Problem } from '../../../lib/recipe/problem.ts';
import { fromPlain, toPlain } from '../../../lib/recipe/source.ts';
import { aSource, failure, load, problemOf, shortest } from './helpers.ts';

const withSet = (...set: string[]) => load(shortest, { set }).recipe;

/** What overrides make of a plain value, without the schema's opinion; and their problems. */
function applied(value: unknown, ...set: string[]): { result: unknown; problems: Problem[] } {
  const problems: Problem[] = [];
  const root = fromPlain(value, { source: aSource, line: 1, column: 1 });
  const result = applyOverrides(root, parseOverrides(set, '/here', problems), problems);
  return { result: JSON.parse(JSON.stringify(toPlain(result))), problems };
}

describe('values', () => {
  const cases: [string, unknown][] = [
    ['1e-3', 0.001],
    ['3', 3],
    ['true', true],
    ['no', 'no'],
    ['', null],
    ['null', null],
    ['"1e-3"', '1e-3'],
    ["'a b'", 'a b'],
    ['a: b', 'a: b'],
    ['x # y', 'x # y'],
    ['C:\\x\\y', 'C:\\x\\y'],
    ['a=b=c', 'a=b=c'],
    ['*star', '*star'],
    ['@at', '@at'],
    ['[8, 11]', [8, 11]],
    ['{kind: sgd, betas: [0.9, 1e-1]}', { kind: 'sgd', betas: [0.9, 0.1] }],
    [' 5 ', 5],
  ];
  for (const [text, value] of cases) {
    test(`${JSON.stringify(text)} is ${JSON.stringify(value)}`, () => {
      assert.deepEqual(applied({}, `a.b=${text}`), { result: { a: { b: value } }, problems: [] });
    });
  }

  test('a path of more levels than a recipe can have is refused, however long it is', () => {
    for (const levels of [51, 100_000]) {
      const { code, message } = problemOf(shortest, { set: [`${'a.'.repeat(levels - 1)}a=1`] });
      assert.equal(code, 'HD_RECIPE_LIMIT');
      assert.match(message, new RegExp(`at most 50 levels .*a path of ${levels} `));
    }
  });

  test('any text without brackets or quotes arrives as it is', () => {
    const text = fc.string({ maxLength: 20 }).filter((value) => {
      const trimmed = value.trim();
      return trimmed !== '' && !/^[[{"']/.test(trimmed) && !/^[-+.\d~ntf]/i.test(trimmed);
    });
    fc.assert(
      fc.property(text, (value) => {
        assert.deepEqual(applied({}, `a=${value}`), { result: { a: value.trim() }, problems: [] });
      }),
    );
  });

  test('numbers arrive as numbers', () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })), (value) => {
        assert.deepEqual(applied({}, `a=${value}`).result, { a: value === 0 ? 0 : value });
      }),
    );
  });
});

describe('places', () => {
  test('into maps that exist and maps that do not', () => {
    assert.deepEqual(applied({ a: { b: 1, c: 2 } }, 'a.b=3', 'd.e.f=4').result, {
      a: { b: 3, c: 2 },
      d: { e: { f: 4 } },
    });
  });

  test('lists by index', () => {
    assert.deepEqual(applied({ a: [1, { x: 2 }] }, 'a.0=5', 'a.1.x=6').result, { a: [5, { x: 6 }] });
  });

  test('through the pipeline of a recipe', () => {
    const text = 'data: {format: synthetic, train: {count: 32}, augment: [{flip: {}}, {crop: {}}]}\n';
    const { recipe } = load(text, {
      set: ['data.augment.0.flip.probability=0.3', 'data.augment.1.crop.scale=[0.2, 1]'],
    });
    assert.equal(recipe.data.augment[0]?.flip?.probability, 0.3);
    assert.deepEqual(recipe.data.augment[1]?.crop?.scale, [0.2, 1]);
  });

  test('a list that the recipe leaves out starts from its default', () => {
    assert.equal(withSet('data.augment.0.flip.probability=0.3').data.augment[0]?.flip?.probability, 0.3);
    assert.deepEqual(withSet('train.optimizer.betas.1=0.99').train.optimizer.betas, [0.9, 0.99]);
    assert.deepEqual(withSet('model.mean.2=1').model.mean, [123.675, 116.28, 1]);
  });

  test('into what is null', () => {
    assert.equal(withSet('train.ema.decay=0.5').train.ema?.decay, 0.5);
    assert.equal(
      load(`${shortest}train: {ema: null}\n`, { set: ['train.ema.decay=0.5'] }).recipe.train.ema?.decay,
      0.5,
    );
  });

  test('indices out of range are refused with what there is', () => {
    const { problems } = applied({ a: [1, 2], b: [] }, 'a.2=5', 'a.-1=5', 'a.x=5', 'b.0=1');
    assert.deepEqual(
      problems.map(({ code, path }) => [code, path]),
      [
        ['HD_RECIPE_OVERRIDE', 'a.2'],
        ['HD_RECIPE_OVERRIDE', 'a.-1'],
        ['HD_RECIPE_OVERRIDE', 'a.x'],
        ['HD_RECIPE_OVERRIDE', 'b.0'],
      ],
    );
    assert.match(
      problems[0]?.message ?? '',
      /expected an index from 0 to 1 for a\.2 but received '2' \(--set a\.2=5\)/,
    );
    assert.match(problems[3]?.message ?? '', /the list is empty/);
  });

  test('paths of values are relative to the current directory, those of the file to the file', () => {
    const { recipe, folder } = load(
      {
        'a.yaml': 'extends: sub/b.yaml\n',
        'sub/b.yaml': 'data: {format: coco, train: {images: i, annotations: a}}\n',
      },
      { set: ['model.weights=w.pth', 'data.train.annotations=other'] },
    );
    assert.equal(recipe.model.weights, join(folder, 'w.pth'));
    assert.ok(recipe.data.format === 'coco');
    assert.equal(recipe.data.train.annotations, join(folder, 'other'));
    assert.equal(recipe.data.train.images, join(folder, 'sub/i'));
  });
});

describe('several', () => {
  test('the later one of the same path wins', () => {
    assert.equal(withSet('train.lr=1', 'train.lr=2e-2').train.lr, 0.02);
  });

  test('one inside another is refused, in either order', () => {
    for (const set of [
      ['train.ema={decay: 0.5}', 'train.ema.decay=0.9'],
      ['train.ema.decay=0.9', 'train.ema={decay: 0.5}'],
    ]) {
      const problem = problemOf(shortest, { set });
      assert.equal(problem.code, 'HD_RECIPE_OVERRIDE');
      assert.equal(problem.path, 'train.ema.decay');
      assert.match(
        problem.message,
        /inside that of 'train\.ema' \(--set train\.ema\.decay=0\.9\); put both into one$/,
      );
    }
  });

  test('names that merely begin alike do not clash', () => {
    assert.equal(withSet('train.lr=0.5', 'train.lrBatch=8').train.lrBatch, 8);
  });

  test('the order of separate paths does not matter', () => {
    const set = [
      'train.lr=0.5',
      'train.batch=8',
      'model.norm=eval',
      'data.augment=[]',
      'train.ema.decay=0.5',
    ];
    const expected = JSON.stringify(withSet(...set));
    fc.assert(
      fc.property(fc.shuffledSubarray(set, { minLength: set.length }), (shuffled) => {
        assert.equal(JSON.stringify(withSet(...shuffled)), expected);
      }),
      { numRuns: 20 },
    );
  });
});

describe('refusals', () => {
  test('what is no path=value', () => {
    for (const text of ['train.lr', '', '=3', 'a..b=1', '.a=1', 'a.=1', '__proto__.x=1', 'extends=b.yaml']) {
      const problem = problemOf(shortest, { set: [text] });
      assert.equal(problem.code, 'HD_RECIPE_OVERRIDE', text);
      assert.deepEqual([problem.file, problem.line], ['', 0]);
    }
  });

  test('an unknown path, with the nearest key', () => {
    const problem = problemOf(shortest, { set: ['train.bacth=3'] });
    assert.equal(problem.code, 'HD_RECIPE_UNKNOWN_KEY');
    assert.match(problem.message, /\(--set train\.bacth=3\); did you mean 'batch'\?$/);
    assert.match(problemOf(shortest, { set: ['lr=3'] }).message, /did you mean 'train\.lr'\?$/);
    assert.match(problemOf(shortest, { set: ['trian.lr=3'] }).message, /did you mean 'train'\?$/);
  });

  test('a value of the wrong kind', () => {
    assert.match(
      problemOf(shortest, { set: ['train.lr=fast'] }).message,
      /received 'fast' \(--set train\.lr=fast\)$/,
    );
    assert.match(
      problemOf(shortest, { set: ['train.lr.x=1'] }).message,
      /for train\.lr but received \{"x":1\}/,
    );
    assert.match(problemOf(shortest, { set: ['data.train.count=0'] }).message, /an integer from 1/);
  });

  test('broken YAML', () => {
    for (const text of ['model.classes=[a, b', 'train.ema={a: 1', 'model.weights="x']) {
      assert.equal(problemOf(shortest, { set: [text] }).code, 'HD_RECIPE_OVERRIDE', text);
    }
  });

  test('a long one is shortened in the message', () => {
    const { message } = failure(shortest, { set: [`train.x=${'y'.repeat(1000)}`] });
    assert.ok(message.length < 500, message);
  });

  test('any text is taken or refused, never worse', () => {
    const key = fc.constantFrom(
      'train',
      'lr',
      'data',
      'augment',
      '0',
      'flip',
      'ema',
      'x',
      '',
      '__proto__',
      'toString',
    );
    const override = fc.tuple(fc.array(key, { maxLength: 4 }), fc.string({ maxLength: 8 }));
    fc.assert(
      fc.property(fc.array(override, { maxLength: 3 }), (overrides) => {
        const set = overrides.map(([path, value]) => `${path.join('.')}=${value}`);
        const { problems } = applied({ train: { lr: 1 }, data: { augment: [{ flip: {} }] } }, ...set);
        for (const { code, file, line } of problems) {
          assert.equal(code, 'HD_RECIPE_OVERRIDE');
          assert.deepEqual([file, line], ['', 0]);
        }
      }),
    );
  });
});
