import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { load as loadYaml } from 'js-yaml';
import { z } from 'zod';
import { recipeJsonSchema } from '../../../lib/recipe/index.ts';
import { recipeReference } from '../../../scripts/reference.ts';
import { load, shortest } from './helpers.ts';

const schema = recipeJsonSchema() as { properties: Record<string, Record<string, unknown>> } & Record<
  string,
  unknown
>;
/** The JSON Schema turned back into a validator, independent of ours. */
const editor = z.fromJSONSchema(JSON.parse(JSON.stringify(schema)));
const accepts = (text: string) => editor.safeParse(loadYaml(text)).success;

describe('the JSON Schema', () => {
  test('is plain JSON of the declared draft', () => {
    assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema');
    assert.deepEqual(JSON.parse(JSON.stringify(schema)), schema);
    assert.deepEqual(Object.keys(schema.properties), [
      'extends',
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

  test('requires nothing, as a base may give it', () => {
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      assert.ok(!('required' in value && Array.isArray(value.required)), JSON.stringify(value).slice(0, 100));
      assert.ok(!('oneOf' in value));
      Object.values(value).forEach(walk);
    };
    walk(schema);
    assert.ok(accepts('extends: a.yaml\ntrain: {epochs: 3}\n'));
    assert.ok(accepts('data: {train: {images: a}}\n'));
  });

  test('accepts recipes, resolved ones too', () => {
    assert.ok(accepts(shortest));
    assert.ok(accepts(load(shortest).yaml));
    assert.ok(
      accepts(
        load('data: {format: voc, train: {images: a, annotations: b}, val: {images: a, annotations: b}}')
          .yaml,
      ),
    );
  });

  test('refuses what the loader refuses', () => {
    for (const text of [
      'trian: {}',
      'train: {lr: fast}',
      'train: {lr: 0}',
      'train: {epoch: 3}',
      'model: {norm: batch}',
      'data: {format: cocoo}',
      'data: {augment: [{flop: {}}]}',
      'checkpoint: {best: no}',
      'extends: 3',
    ]) {
      assert.equal(accepts(text), false, text);
    }
  });

  test('is made anew each time', () => {
    (recipeJsonSchema().properties as Record<string, unknown>).model = null;
    assert.notEqual((recipeJsonSchema().properties as Record<string, unknown>).model, null);
  });
});

describe('the reference', () => {
  const text = recipeReference();

  test('is up to date: else run node --import tsx scripts/reference.ts', () => {
    const file = fileURLToPath(new URL('../../../docs/reference/recipe.md', import.meta.url));
    assert.equal(readFileSync(file, 'utf8'), text);
  });

  test('has a chapter for each section and format', () => {
    const chapters = [...text.matchAll(/^##+ (.*)$/gm)].map(([, title]) => title);
    assert.deepEqual(chapters, [
      'model',
      'teachers',
      'distill',
      'distill: `transfer: localization`',
      'distill: `transfer: classification`',
      'distill: `transfer: imitation`',
      'data',
      'data: `format: coco`',
      'data: `format: lvis`',
      'data: `format: voc`',
      'data: `format: yolo`',
      'data: `format: webdataset`',
      'data: `format: synthetic`',
      'data: `format: source`',
      'train',
      'eval',
      'checkpoint',
      'log',
      'debug',
    ]);
  });

  test('has a row with range, default and meaning for each field', () => {
    assert.match(
      text,
      /^\| `optimizer\.momentum` \| a number of at least 0 and below 1 \| `0\.9` \| sgd: share/m,
    );
    assert.match(
      text,
      /^\| `train\.annotations` \| a path \| \*required\* \| Folder of the XML files\. \|$/m,
    );
    assert.match(text, /^\| `augment\[\]\.flip\.probability` \| a number from 0 to 1 \| `0\.5` \|/m);
    assert.match(text, /^\| `ema` \| a map or null \| `null` \|/m);
  });

  test('every row of a table has four cells', () => {
    for (const line of text.split('\n').filter((row) => row.startsWith('|'))) {
      assert.equal(line.split(/(?<!\\)\|/).length, 6, line);
    }
  });
});
