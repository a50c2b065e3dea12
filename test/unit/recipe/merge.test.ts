import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { merge } from '../../../lib/recipe/merge.ts';
import { parseRecipe } from '../../../lib/recipe/parse.ts';
import { fromPlain, type Source, type SourceNode, toPlain } from '../../../lib/recipe/source.ts';
import { aSource, outline } from './helpers.ts';

const at = { source: aSource, line: 1, column: 1 };
const node = (value: unknown): SourceNode => fromPlain(value, at);
const merged = (...values: unknown[]): string =>
  JSON.stringify(toPlain(values.map(node).reduce((base, over) => merge(base, over))));

describe('what wins', () => {
  test('maps merge at every depth, the upper value wins', () => {
    assert.equal(
      merged({ a: { x: 1, y: 2 }, b: 1 }, { a: { y: 3, z: 4 }, c: 5 }),
      '{"a":{"x":1,"y":3,"z":4},"b":1,"c":5}',
    );
  });

  test('lists replace', () => {
    assert.equal(merged({ a: [1, 2, 3] }, { a: [4] }), '{"a":[4]}');
    assert.equal(merged({ a: [{ x: 1 }] }, { a: [{ y: 2 }] }), '{"a":[{"y":2}]}');
    assert.equal(merged({ a: [1] }, { a: [] }), '{"a":[]}');
  });

  test('kinds replace each other', () => {
    assert.equal(merged({ a: { x: 1 } }, { a: 2 }), '{"a":2}');
    assert.equal(merged({ a: 2 }, { a: { x: 1 } }), '{"a":{"x":1}}');
    assert.equal(merged({ a: { x: 1 } }, { a: null }), '{"a":null}');
  });

  test('an empty map changes nothing', () => {
    assert.equal(merged({ a: { x: 1 } }, { a: {} }), '{"a":{"x":1}}');
  });

  test('keys keep the order of the base', () => {
    assert.equal(merged({ b: 1, a: 2 }, { c: 3, a: 4, b: 5 }), '{"b":5,"a":4,"c":3}');
  });
});

test('every value keeps the place where it was written', () => {
  const base: Source = { ...aSource, label: 'base.yaml', file: '/base.yaml' };
  const below = parseRecipe('a:\n  x: 1\n  y: 2\n', base).root as SourceNode;
  const above = parseRecipe('# own\n\na:\n  y: 3\n', aSource).root as SourceNode;
  const both = merge(below, above);
  assert.deepEqual(outline(both), { a: { x: [1, 2], y: [3, 4] } });
  assert.ok(both.kind === 'map');
  const a = both.entries.get('a')?.value;
  assert.ok(a?.kind === 'map');
  assert.equal(a.entries.get('x')?.key.source.label, 'base.yaml');
  assert.equal(a.entries.get('y')?.key.source.label, 'a.yaml');
});

describe('laws', () => {
  /**
   * Recipes in which the kind of a value follows from its path, as the schema makes it: keys a–c hold maps, d–f
   * scalars, g lists. Where kinds clash, a replaced map cannot come back, and merging is not associative.
   */
  const recipe = fc.letrec<{ map: Record<string, unknown> }>((tie) => ({
    map: fc.record(
      {
        a: fc.oneof({ maxDepth: 3 }, fc.constant({}), tie('map')),
        b: fc.oneof({ maxDepth: 3 }, fc.constant({}), tie('map')),
        d: fc.integer({ min: 0, max: 9 }),
        e: fc.string({ maxLength: 2 }),
        f: fc.boolean(),
        g: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 2 }),
      },
      { requiredKeys: [] },
    ),
  })).map;
  const sorted = (value: unknown): unknown => {
    if (Array.isArray(value) || typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, member]) => [key, sorted(member)]),
    );
  };
  const plain = (result: SourceNode) => JSON.stringify(sorted(toPlain(result)));

  test('associative: a chain of extends may be read from either end', () => {
    fc.assert(
      fc.property(recipe, recipe, recipe, (x, y, z) => {
        const [a, b, c] = [node(x), node(y), node(z)];
        assert.equal(plain(merge(merge(a, b), c)), plain(merge(a, merge(b, c))));
      }),
    );
  });

  test('idempotent, and the empty recipe is neutral', () => {
    fc.assert(
      fc.property(recipe, (x) => {
        const a = node(x);
        assert.equal(plain(merge(a, a)), plain(a));
        assert.equal(plain(merge(a, node({}))), plain(a));
        assert.equal(plain(merge(node({}), a)), plain(a));
      }),
    );
  });

  test('against a plain reference, with clashing kinds', () => {
    const reference = (base: unknown, over: unknown): unknown => {
      const isMap = (value: unknown): value is Record<string, unknown> =>
        typeof value === 'object' && value !== null && !Array.isArray(value);
      if (!isMap(base) || !isMap(over)) return over;
      const out = { ...base };
      for (const key of Object.keys(over))
        out[key] = Object.hasOwn(base, key) ? reference(base[key], over[key]) : over[key];
      return out;
    };
    const key = fc.constantFrom('a', 'b', 'c');
    const any = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.integer(),
        fc.constant(null),
        fc.array(fc.integer()),
        fc.dictionary(key, tie('value')),
      ),
    })).value;
    fc.assert(
      fc.property(any, any, (x, y) => {
        assert.equal(plain(merge(node(x), node(y))), JSON.stringify(sorted(reference(x, y))));
      }),
    );
  });

  test('leaves its arguments alone', () => {
    fc.assert(
      fc.property(recipe, recipe, (x, y) => {
        const [a, b] = [node(x), node(y)];
        merge(a, b);
        assert.equal(plain(a), plain(node(x)));
        assert.equal(plain(b), plain(node(y)));
      }),
    );
  });
});
