import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { problem, RecipeError, show } from '../../../lib/recipe/problem.ts';
import { aSource } from './helpers.ts';

const at = { source: aSource, line: 4, column: 2 };
const one = (path: (string | number)[] = ['train', 'lr'], cure?: string) =>
  problem({ code: 'HD_RECIPE_TYPE', expected: 'a number', path, received: "'x'", at, cure });

describe('the sentence', () => {
  test('with and without a cure', () => {
    assert.equal(one().message, "expected a number for train.lr but received 'x' (a.yaml:4)");
    assert.equal(
      one(['a', 0], 'remove it').message,
      "expected a number for a.0 but received 'x' (a.yaml:4); remove it",
    );
  });

  test('about the recipe as a whole, and about a key without letters', () => {
    assert.match(one([]).message, /for the recipe but/);
    assert.match(one(['']).message, /for '' but/);
  });

  test('carries its place', () => {
    const { code, path, file, line } = one();
    assert.deepEqual([code, path, file, line], ['HD_RECIPE_TYPE', 'train.lr', '/recipes/a.yaml', 4]);
  });

  test('stays on one line and steers no terminal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (key, value) => {
        const { message } = problem({
          code: 'HD_RECIPE_TYPE',
          expected: 'x',
          path: [key],
          received: show(value),
          at,
        });
        assert.doesNotMatch(message, /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u);
      }),
    );
  });
});

describe('values', () => {
  test('of every kind', () => {
    assert.equal(show(undefined), 'nothing');
    assert.equal(show(null), 'null');
    assert.equal(show(1e-3), '0.001');
    assert.equal(show(Number.NaN), 'NaN');
    assert.equal(show(Number.POSITIVE_INFINITY), 'Infinity');
    assert.equal(show(true), 'true');
    assert.equal(show('text'), "'text'");
    assert.equal(show('a "b"'), `'a "b"'`);
    assert.equal(show('a\nb'), "'a\\nb'");
    assert.equal(show([1, 'a']), '[1,"a"]');
    assert.equal(show({ a: 1 }), '{"a":1}');
  });

  test('long ones are cut', () => {
    assert.equal(show('x'.repeat(1000)), `'${'x'.repeat(57)}'… (1000 characters)`);
    assert.match(show(Array(100).fill(1)), /^\[1,1.*… \(a list\)$/);
    assert.match(show({ a: 'x'.repeat(100) }), /… \(a map\)$/);
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.ok(show(value).length < 500);
      }),
    );
  });
});

describe('the error', () => {
  test('of one problem is its sentence', () => {
    const error = new RecipeError([one()]);
    assert.equal(error.message, one().message);
    assert.equal(error.where, '/recipes/a.yaml:4');
    assert.equal(error.code, 'HD_RECIPE_TYPE');
  });

  test('of several counts them', () => {
    const error = new RecipeError([one(), one(['b'])]);
    assert.equal(error.message, `2 problems in the recipe:\n  ${one().message}\n  ${one(['b']).message}`);
    assert.equal(error.problems.length, 2);
  });

  test('shows thirty', () => {
    const lines = (count: number) => new RecipeError(Array(count).fill(one())).message.split('\n');
    assert.equal(lines(30).length, 31);
    assert.equal(lines(31).length, 32);
    assert.equal(lines(31).at(-1), '  … and 1 more');
  });
});
