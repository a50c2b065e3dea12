import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseRecipe } from '../../../lib/recipe/parse.ts';
import {
  childOf,
  describeOrigin,
  dotted,
  fromPlain,
  maxDepth,
  NotPlainError,
  nodeAt,
  type Origin,
  originOf,
  toPlain,
} from '../../../lib/recipe/source.ts';
import { aSource } from './helpers.ts';

const here: Origin = { source: aSource, line: 3, column: 1 };
const node = (value: unknown) => fromPlain(value, here);

describe('places', () => {
  test('in files, overrides and objects', () => {
    assert.equal(describeOrigin(here), '(a.yaml:3)');
    const override = { ...aSource, kind: 'override', label: '--set a=1' } as const;
    assert.equal(describeOrigin({ source: override, line: 0, column: 0 }), '(--set a=1)');
    const object = { ...aSource, kind: 'object', label: 'recipe object' } as const;
    assert.equal(describeOrigin({ source: object, line: 0, column: 0 }), '(recipe object)');
  });

  test('what is not written stands where its closest ancestor does', () => {
    const { root } = parseRecipe('a:\n  b:\n    - c: 1\n', aSource);
    assert.ok(root);
    const line = (...path: (string | number)[]) => originOf(root, path).line;
    assert.equal(line(), 1);
    assert.equal(line('a', 'x'), 1);
    assert.equal(line('a', 'b'), 2);
    assert.equal(line('a', 'b', 5), 2);
    assert.equal(line('a', 'b', 0, 'c'), 3);
    assert.equal(line('a', 'b', 0, 'c', 'deeper'), 3);
    assert.equal(line('nowhere', 'at', 'all'), 1);
  });

  test('paths in words', () => {
    assert.equal(dotted(['data', 'augment', 0, 'flip']), 'data.augment.0.flip');
    assert.equal(dotted([]), '');
  });
});

describe('steps down', () => {
  const root = node({ list: [10, { x: 1 }], scalar: 'text' });

  test('by key and by index', () => {
    assert.equal(toPlain(childOf(childOf(root, 'list'), 0) ?? assert.fail()), 10);
    assert.equal(toPlain(nodeAt(root, ['list', '1', 'x']) ?? assert.fail()), 1);
  });

  test('to nowhere', () => {
    assert.equal(childOf(undefined, 'a'), undefined);
    assert.equal(nodeAt(root, ['list', 7]), undefined);
    assert.equal(nodeAt(root, ['scalar', 'length']), undefined);
    assert.equal(nodeAt(root, ['toString']), undefined, 'objects inherit nothing');
  });
});

describe('plain values', () => {
  test('there and back', () => {
    const value = fc.jsonValue({ maxDepth: 5 });
    fc.assert(
      fc.property(value, (plain) => {
        assert.equal(JSON.stringify(toPlain(node(plain))), JSON.stringify(plain));
      }),
    );
  });

  test('undefined members are absent', () => {
    assert.deepEqual(Object.keys(toPlain(node({ a: 1, b: undefined })) as object), ['a']);
  });

  test('no key is special', () => {
    const plain = toPlain(node(JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}'))) as object;
    assert.deepEqual(Object.keys(plain), ['__proto__', 'constructor']);
    assert.equal(Object.getPrototypeOf(plain), null);
  });

  test('what YAML has no word for is refused', () => {
    class Own {}
    for (const value of [new Own(), new Map(), new Date(), () => 1, Symbol('a'), 1n, new Uint8Array(1)]) {
      assert.throws(() => node({ value }), NotPlainError);
    }
    assert.throws(() => node({ value: new Own() }), /an instance of Own/);
    assert.throws(() => node([undefined]), /a undefined/);
  });

  test('circles and towers end', () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    assert.throws(() => node(circle), new RegExp(`more than ${maxDepth} levels`));
  });
});
