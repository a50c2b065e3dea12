import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { choicesOf, phrase, range } from '../../../lib/recipe/phrase.ts';

describe('ranges', () => {
  const cases: [Parameters<typeof range>[0], string][] = [
    [{}, ''],
    [{ minimum: 1, maximum: 4 }, ' from 1 to 4'],
    [{ minimum: 1 }, ' of at least 1'],
    [{ maximum: 4 }, ' of at most 4'],
    [{ exclusiveMinimum: 0 }, ' above 0'],
    [{ exclusiveMaximum: 1 }, ' below 1'],
    [{ exclusiveMinimum: 0, maximum: 1 }, ' above 0 and at most 1'],
    [{ minimum: 0, exclusiveMaximum: 1 }, ' of at least 0 and below 1'],
    // What zod writes for plain integers is no bound that a person set.
    [{ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }, ''],
    [{ minimum: 3, maximum: Number.MAX_SAFE_INTEGER }, ' of at least 3'],
  ];
  for (const [schema, words] of cases) test(JSON.stringify(schema), () => assert.equal(range(schema), words));
});

describe('what a field takes', () => {
  const cases: [Parameters<typeof phrase>[0], string][] = [
    [{ type: 'integer', minimum: 1, maximum: 4 }, 'an integer from 1 to 4'],
    [{ type: 'number', exclusiveMinimum: 0 }, 'a number above 0'],
    [{ type: 'integer', minimum: 32, multipleOf: 32 }, 'an integer of at least 32, a multiple of 32'],
    [{ type: 'boolean' }, 'true or false'],
    [{ type: 'null' }, 'null'],
    [{ type: 'object' }, 'a map'],
    [{ type: 'string' }, 'a text'],
    [{ type: 'string', path: true }, 'a path'],
    [{ const: 'auto' }, "'auto'"],
    [{ enum: ['a', 'b'] }, "'a' or 'b'"],
    [{ enum: ['a', 'b', 'c'] }, "one of 'a', 'b', 'c'"],
    [{ anyOf: [{ type: 'integer' }, { type: 'null' }] }, 'an integer or null'],
    [{ anyOf: [{ const: 'auto' }, { type: 'integer', minimum: 1 }] }, "'auto' or an integer of at least 1"],
    [{ type: 'array', items: { type: 'string' } }, 'a list, each a text'],
    [
      { type: 'array', minItems: 1, items: { type: 'integer' } },
      'a list of at least 1 item, each an integer',
    ],
    [
      { type: 'array', minItems: 1, maxItems: 3, items: { type: 'integer' } },
      'a list of 1 to 3 items, each an integer',
    ],
    [{ type: 'array', prefixItems: [{ type: 'number' }, { type: 'number' }] }, 'a list of 2, each a number'],
    // The items of a list would swallow what follows, so lists stand last.
    [
      { anyOf: [{ type: 'array', items: { type: 'number' } }, { type: 'integer' }] },
      'an integer or a list, each a number',
    ],
    // The same words once.
    [{ anyOf: [{ type: 'string' }, { type: 'string' }] }, 'a text'],
  ];
  for (const [schema, words] of cases) test(words, () => assert.equal(phrase(schema), words));
});

test('choices are enumerations and constants, as texts', () => {
  assert.deepEqual(choicesOf({ enum: ['a', 1] }), ['a', '1']);
  assert.deepEqual(choicesOf({ const: 2 }), ['2']);
  assert.deepEqual(choicesOf({ type: 'string' }), []);
});
