import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  admitsNull,
  allPaths,
  alternatives,
  childSchema,
  inputSchema,
  type JsonSchema,
  knownKeys,
  mapForm,
  schemaAt,
} from '../../../lib/recipe/introspect.ts';
import { phrase, range } from '../../../lib/recipe/phrase.ts';
import { fromPlain, type SourceNode } from '../../../lib/recipe/source.ts';
import { aSource } from './helpers.ts';

const node = (value: unknown): SourceNode => fromPlain(value, { source: aSource, line: 1, column: 1 });
const empty = node({});

describe('the schema at a path', () => {
  test('of fields, maps and items of lists', () => {
    assert.equal(schemaAt(empty, ['train', 'lr'])?.type, 'number');
    assert.equal(schemaAt(empty, ['train', 'groups', 3, 'match'])?.type, 'string');
    assert.equal(schemaAt(empty, ['model', 'mean', '1'])?.type, 'number');
    assert.equal(schemaAt(empty, ['train', 'lossWeights', 'anything'])?.type, 'number');
    assert.equal(schemaAt(empty, []), inputSchema);
  });

  test('of nothing', () => {
    for (const path of [
      ['x'],
      ['train', 'x'],
      ['train', 'lr', 'x'],
      ['model', 'mean', 7],
      ['train', 'toString'],
    ]) {
      assert.equal(schemaAt(empty, path), undefined, path.join('.'));
    }
  });

  test('below data follows the format', () => {
    const at = (format: string, field: string) =>
      schemaAt(node({ data: { format } }), ['data', 'train', field]);
    assert.equal(at('coco', 'annotations')?.path, true);
    assert.equal(at('coco', 'labels'), undefined);
    assert.equal(at('yolo', 'labels')?.path, true);
    assert.equal(at('synthetic', 'count')?.type, 'integer');
    assert.equal(at('none', 'count'), undefined);
  });

  test('size is a number or a pair', () => {
    const root = node({ data: { format: 'synthetic' } });
    assert.equal(schemaAt(root, ['data', 'size', 1])?.type, 'integer');
    assert.equal(schemaAt(root, ['data', 'size', 2]), undefined);
  });
});

describe('maps with several forms', () => {
  const data = inputSchema.properties?.data as JsonSchema;

  test('are told apart by their constants', () => {
    assert.equal(mapForm(data, node({ format: 'voc' }))?.properties?.format?.const, 'voc');
    assert.equal(mapForm(data, node({})), undefined);
    assert.equal(mapForm(data, undefined), undefined);
    assert.equal(mapForm(data, node({ format: ['voc'] })), undefined);
  });

  test('list the keys of all forms until one is chosen', () => {
    assert.ok(knownKeys(node({ data: {} }), ['data']).includes('augment'));
    assert.deepEqual(knownKeys(node({ data: { format: 'synthetic' } }), ['data', 'train']), ['count']);
    assert.deepEqual(knownKeys(empty, ['nowhere']), []);
    assert.deepEqual(knownKeys(empty, []), [
      'model',
      'teachers',
      'distill',
      'data',
      'train',
      'eval',
      'checkpoint',
      'log',
      'debug',
    ]);
  });

  test('a map that may be null has one form', () => {
    const ema = schemaAt(empty, ['train', 'ema']) as JsonSchema;
    assert.ok(admitsNull(ema));
    assert.equal(alternatives(ema).length, 2);
    assert.deepEqual(Object.keys(mapForm(ema, undefined)?.properties ?? {}), ['decay', 'warmup']);
    assert.equal(childSchema(ema, 'decay', undefined)?.type, 'number');
  });
});

describe('every field', () => {
  const visit = (schema: JsonSchema, path: string, found: [string, JsonSchema][]) => {
    for (const form of alternatives(schema)) {
      for (const [key, child] of Object.entries(form.properties ?? {})) {
        found.push([`${path}.${key}`, child]);
        visit(child, `${path}.${key}`, found);
      }
      if (typeof form.items === 'object') visit(form.items, `${path}[]`, found);
    }
    return found;
  };
  const fields = visit(inputSchema, '', []);

  test('is described, in a sentence', () => {
    assert.ok(fields.length > 150);
    for (const [path, { description }] of fields) {
      assert.match(description ?? '', /^[\p{L}`[].*\.$/su, `${path}: ${description}`);
    }
  });

  test('has a default or is required', () => {
    const walk = (schema: JsonSchema, path: string) => {
      for (const form of alternatives(schema)) {
        for (const [key, child] of Object.entries(form.properties ?? {})) {
          const isStep = path.endsWith('augment[]');
          const isGiven = child.default !== undefined || form.required?.includes(key);
          assert.ok(isGiven || isStep, `${path}.${key}`);
          walk(child, `${path}.${key}`);
        }
        if (typeof form.items === 'object') walk(form.items, `${path}[]`);
      }
    };
    walk(inputSchema, '');
  });

  test('unknown keys are refused in every map', () => {
    const maps = (schema: JsonSchema, path: string): [string, JsonSchema][] =>
      alternatives(schema).flatMap((form) => [
        ...(form.properties ? [[path, form] as [string, JsonSchema]] : []),
        ...Object.entries(form.properties ?? {}).flatMap(([key, child]) => maps(child, `${path}.${key}`)),
        ...(typeof form.items === 'object' ? maps(form.items, `${path}[]`) : []),
      ]);
    for (const [path, map] of maps(inputSchema, '')) assert.equal(map.additionalProperties, false, path);
  });

  test('dotted paths list them, shallow ones first', () => {
    const paths = allPaths();
    assert.deepEqual(paths.slice(0, 4), ['model', 'teachers', 'distill', 'data']);
    assert.ok(paths.includes('data.train.labels') && paths.includes('train.optimizer.betas'));
    assert.equal(new Set(paths).size, paths.length);
    const depths = paths.map((path) => path.split('.').length);
    assert.deepEqual(
      depths,
      [...depths].sort((a, b) => a - b),
    );
  });
});

describe('in words', () => {
  const cases: [JsonSchema, string][] = [
    [{ type: 'integer' }, 'an integer'],
    [{ type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }, 'an integer'],
    [{ type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER }, 'an integer of at least 1'],
    [{ type: 'number', minimum: 0, maximum: 1 }, 'a number from 0 to 1'],
    [{ type: 'number', exclusiveMinimum: 0 }, 'a number above 0'],
    [{ type: 'number', exclusiveMinimum: 0, maximum: 1 }, 'a number above 0 and at most 1'],
    [{ type: 'number', minimum: 0, exclusiveMaximum: 1 }, 'a number of at least 0 and below 1'],
    [{ type: 'number', maximum: 5 }, 'a number of at most 5'],
    [
      { type: 'integer', minimum: 32, maximum: 64, multipleOf: 32 },
      'an integer from 32 to 64, a multiple of 32',
    ],
    [{ type: 'boolean' }, 'true or false'],
    [{ type: 'string' }, 'a text'],
    [{ type: 'string', path: true }, 'a path'],
    [{ type: 'object' }, 'a map'],
    [{ type: 'null' }, 'null'],
    [{ type: 'string', const: 'auto' }, "'auto'"],
    [{ type: 'string', enum: ['a', 'b'] }, "'a' or 'b'"],
    [{ type: 'string', enum: ['a', 'b', 'c'] }, "one of 'a', 'b', 'c'"],
    [{ type: 'array' }, 'a list'],
    [{ type: 'array', minItems: 1, items: { type: 'string' } }, 'a list of at least 1 item, each a text'],
    [
      { type: 'array', maxItems: 3, items: { type: 'boolean' } },
      'a list of at most 3 items, each true or false',
    ],
    [{ type: 'array', minItems: 2, maxItems: 3 }, 'a list of 2 to 3 items'],
    [{ type: 'array', prefixItems: [{ type: 'number' }, { type: 'number' }] }, 'a list of 2, each a number'],
    [
      { anyOf: [{ type: 'array' }, { type: 'null' }, { type: 'string', const: 'auto' }] },
      "'auto' or null or a list",
    ],
    [{ anyOf: [{ type: 'object' }, { anyOf: [{ type: 'object' }, { type: 'null' }] }] }, 'a map or null'],
  ];
  for (const [schema, words] of cases) {
    test(words, () => assert.equal(phrase(schema), words));
  }

  test('no bounds, no words', () => {
    assert.equal(range({}), '');
  });
});
