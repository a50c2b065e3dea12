import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { editDistance, nearest } from '../../../lib/recipe/nearest.ts';

/** The textbook recursion, without a table. */
function plainDistance(a: string, b: string): number {
  if (a === '' || b === '') return Math.max(a.length, b.length);
  const cost = a.at(-1) === b.at(-1) ? 0 : 1;
  const options = [
    plainDistance(a.slice(0, -1), b) + 1,
    plainDistance(a, b.slice(0, -1)) + 1,
    plainDistance(a.slice(0, -1), b.slice(0, -1)) + cost,
  ];
  if (a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1)) {
    options.push(plainDistance(a.slice(0, -2), b.slice(0, -2)) + 1);
  }
  return Math.min(...options);
}

test('distances of typical slips', () => {
  assert.equal(editDistance('epochs', 'epochs'), 0);
  assert.equal(editDistance('epoch', 'epochs'), 1);
  assert.equal(editDistance('eopchs', 'epochs'), 1, 'a transposition counts once');
  assert.equal(editDistance('Epochs', 'epochs'), 0, 'case does not count');
  assert.equal(editDistance('', 'abc'), 3);
  assert.equal(editDistance('kitten', 'sitting'), 3);
});

test('equals the plain recursion', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      assert.equal(editDistance(a, b), plainDistance(a, b));
    }),
  );
});

test('is symmetric and bounded by the lengths', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const distance = editDistance(a, b);
      assert.equal(distance, editDistance(b, a));
      assert.ok(distance <= Math.max(a.toLowerCase().length, b.toLowerCase().length));
    }),
  );
});

test('finds the key that was meant', () => {
  const keys = ['epochs', 'steps', 'batch', 'lr', 'lrBatch', 'optimizer', 'schedule'];
  assert.equal(nearest('epoch', keys), 'epochs');
  assert.equal(nearest('optimiser', keys), 'optimizer');
  assert.equal(nearest('shcedule', keys), 'schedule');
  assert.equal(nearest('lr_batch', keys), 'lrBatch');
  assert.equal(nearest('LR', keys), 'lr');
});

test('does not guess wildly', () => {
  assert.equal(nearest('momentum', ['epochs', 'steps']), undefined);
  assert.equal(nearest('x', ['lr', 'epochs']), undefined);
  assert.equal(nearest('anything', []), undefined);
  assert.equal(nearest('a'.repeat(1000), ['a'.repeat(1001)]), undefined, 'long words are not compared');
});

test('ties go to the first candidate', () => {
  assert.equal(nearest('ab', ['ac', 'ad']), 'ac');
  assert.equal(nearest('ab', ['ad', 'ac']), 'ad');
});

test('any single edit of a longer key is recognised', () => {
  const keys = ['frozenStages', 'neckChannels', 'headConvs', 'regMax', 'boxLoss'];
  const edit = fc.record({
    key: fc.constantFrom(...keys),
    at: fc.nat(),
    letter: fc.constantFrom('q', 'z', '_'),
    kind: fc.constantFrom('drop', 'insert', 'replace'),
  });
  fc.assert(
    fc.property(edit, ({ key, at, letter, kind }) => {
      const place = at % key.length;
      const rest = key.slice(kind === 'insert' ? place : place + 1);
      const typed = key.slice(0, place) + (kind === 'drop' ? '' : letter) + rest;
      assert.equal(nearest(typed, keys), key);
    }),
  );
});
