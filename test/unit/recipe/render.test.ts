import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { loadRecipe, type RecipeInput, resolveRecipe } from '../../../lib/recipe/index.ts';
import { renderRecipe, schemaComment, schemaFile } from '../../../lib/recipe/render.ts';
import { folderOf } from './helpers.ts';

describe('a rendered recipe', () => {
  const data = {
    format: 'synthetic',
    train: { count: 8 },
    val: { count: 2 },
    size: [96, 64],
  } satisfies RecipeInput['data'];
  const { recipe } = resolveRecipe({
    data,
    train: { epochs: 2, batch: 4, groups: [{ match: '*.bias', lr: 2, decay: 0 }] },
  });
  const text = renderRecipe(recipe);

  test('names the schema in its first line', () => {
    assert.equal(text.split('\n')[0], schemaComment(schemaFile));
    assert.ok(schemaFile.endsWith('dist/recipe.schema.json'));
  });

  test('loads again to the same recipe, without a remark', () => {
    const folder = folderOf({});
    writeFileSync(join(folder, 'again.yaml'), text);
    const again = loadRecipe('again.yaml', { cwd: folder });
    assert.deepEqual(again.recipe, recipe);
    assert.deepEqual(again.warnings, []);
  });

  test('renders to the same text again', () => {
    const folder = folderOf({ 'again.yaml': text });
    assert.equal(renderRecipe(loadRecipe('again.yaml', { cwd: folder }).recipe), text);
  });

  test('keeps plain lists on one line and has no anchors', () => {
    assert.match(text, /size: \[96, 64\]/);
    assert.match(text, /mean: \[123\.675, 116\.28, 103\.53\]/);
    assert.doesNotMatch(text, /[&*]ref/);
  });

  test('no line is folded, however long', () => {
    const name = 'x'.repeat(300);
    const long = renderRecipe({ a: name, b: [`${name} ${name}`] });
    assert.ok(long.includes(`a: ${name}\n`));
    assert.ok(long.includes(`${name} ${name}`));
  });
});
