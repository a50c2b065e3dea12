import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ExitCode, HdError } from '../../lib/error.ts';
import { RecipeError, type RecipeInput, resolveRecipe } from '../../lib/recipe/index.ts';

describe('HdError', () => {
  test('is an Error with a code, a place and a cause', () => {
    const cause = new RangeError('why');
    const error = new HdError('HD_IO', 'expected a disk', '/file', { cause });
    assert.ok(error instanceof Error);
    assert.deepEqual(
      [error.name, error.code, error.message, error.where],
      ['HdError', 'HD_IO', 'expected a disk', '/file'],
    );
    assert.equal(error.cause, cause);
    assert.match(error.stack ?? '', /error\.test/);
    assert.equal(new HdError('HD_IO', 'x').where, '');
  });
  test('errors of recipes are of this kind', () => {
    assert.throws(
      () => resolveRecipe({} as RecipeInput),
      (error) => error instanceof RecipeError && error instanceof HdError && error.exitCode === 2,
    );
  });

  const codes: [string, number][] = [
    ['HD_RECIPE_UNKNOWN_KEY', 2],
    ['HD_USAGE', 2],
    ['HD_USAGE_EXISTS', 2],
    ['HD_RUN_LOCKED', 2],
    ['HD_UNKNOWN_PART', 2],
    ['HD_NATIVE_MISSING', 2],
    ['HD_PLATFORM', 2],
    ['HD_DATA_CLASSES', 3],
    ['HD_CKPT_CORRUPT', 4],
    ['HD_WEIGHTS_MISMATCH', 4],
    ['HD_PTH_OPCODE', 4],
    ['HD_DIVERGED', 5],
    ['HD_IO', 70],
    ['HD_INTERNAL', 70],
    ['HD_OUT_OF_MEMORY', 70],
    // The family is at the front of a code, not anywhere in it.
    ['HD_INTERNAL_HD_DATA', 70],
    ['XHD_DATA', 70],
    ['HD_DIVERGED_NOT', 70],
    ['', 70],
  ];
  for (const [code, exit] of codes) {
    test(`${code || 'no code'}: exit ${exit}`, () => assert.equal(new HdError(code, 'm').exitCode, exit));
  }
  test('exit codes are those that scripts rely on', () => {
    assert.deepEqual(
      { ...ExitCode },
      { done: 0, usage: 2, data: 3, weights: 4, diverged: 5, internal: 70, interrupted: 75 },
    );
  });
});
