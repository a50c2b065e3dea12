import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { loadRecipe, resolveRecipe } from '../../../lib/recipe/index.ts';
import { isAddress } from '../../../lib/recipe/resolve.ts';
import { folderOf } from './helpers.ts';

describe('paths', () => {
  const coco = 'data: {format: coco, train: {images: photos, annotations: a.json}}\n';

  test('are absolute, from the folder of the file that wrote them', () => {
    const folder = folderOf({ 'own.yaml': `${coco}model: {weights: w.pth}\n` });
    const { recipe } = loadRecipe('own.yaml', { cwd: folder });
    assert.equal(recipe.model.weights, join(folder, 'w.pth'));
    assert.ok(recipe.data.format === 'coco');
    assert.equal(recipe.data.train.images, join(folder, 'photos'));
  });

  test('of a base stay those of the base', () => {
    const folder = folderOf({ 'own.yaml': 'extends: below/base.yaml\nmodel: {weights: w.pth}\n' });
    mkdirSync(join(folder, 'below'));
    const base = folderOf({ 'base.yaml': coco });
    const { recipe } = loadRecipe('own.yaml', {
      cwd: folderOf({ 'own.yaml': `extends: ${join(base, 'base.yaml')}\nmodel: {weights: w.pth}\n` }),
    });
    assert.ok(recipe.data.format === 'coco');
    assert.equal(recipe.data.train.images, join(base, 'photos'));
    assert.ok(recipe.model.weights?.endsWith('w.pth') && !recipe.model.weights.startsWith(base));
  });

  test('of overrides count from the current folder', () => {
    const folder = folderOf({ 'own.yaml': coco });
    const { recipe } = loadRecipe(join(folder, 'own.yaml'), { set: ['model.weights=w.pth'] });
    assert.equal(recipe.model.weights, resolve('w.pth'));
  });

  test('that are absolute already stay', () => {
    const { recipe } = resolveRecipe({
      model: { weights: '/somewhere/w.pth' },
      data: { format: 'synthetic', train: { count: 4 } },
    });
    assert.equal(recipe.model.weights, '/somewhere/w.pth');
  });

  test('inside lists are resolved too', () => {
    const folder = folderOf({
      'own.yaml': `${coco}teachers: [{weights: t.pth}]\ndistill: [{transfer: localization}]\n`,
    });
    assert.equal(loadRecipe('own.yaml', { cwd: folder }).recipe.teachers[0]?.weights, join(folder, 't.pth'));
  });
});

describe('addresses', () => {
  const shardsOf = (shards: string) => {
    const folder = folderOf({ 'own.yaml': `data: {format: webdataset, train: {shards: ${shards}}}\n` });
    const { data } = loadRecipe('own.yaml', { cwd: folder }).recipe;
    assert.ok(data.format === 'webdataset');
    return { folder, shards: data.train.shards };
  };
  test('stay as they are, beside paths that become absolute', () => {
    const list = shardsOf('[a.tar, "https://x.org/b-{0..3}.tar", "HTTP://x.org/c.tar"]');
    assert.deepEqual(list.shards, [
      join(list.folder, 'a.tar'),
      'https://x.org/b-{0..3}.tar',
      'HTTP://x.org/c.tar',
    ]);
    const one = shardsOf('"train-{000..012}.tar"');
    assert.equal(one.shards, join(one.folder, 'train-{000..012}.tar'));
  });
  test('are none where a field wants a file', () => {
    assert.ok(isAddress('https://x.org'));
    for (const text of ['httpx://x', 'http:/x', 'x/http://y', '']) assert.ok(!isAddress(text));
    const { recipe } = resolveRecipe({
      model: { weights: 'http://x/w.pth' },
      data: { format: 'synthetic', train: { count: 4 } },
    });
    assert.equal(recipe.model.weights, join(process.cwd(), 'http:/x/w.pth'));
  });
});

describe('defaults that depend on other fields', () => {
  const data = { format: 'synthetic', train: { count: 4 } } as const;
  test('a run without length is 12 epochs; one with steps has no epochs', () => {
    assert.equal(resolveRecipe({ data }).recipe.train.epochs, 12);
    const { train } = resolveRecipe({ data, train: { steps: 7 } }).recipe;
    assert.deepEqual([train.epochs, train.steps], [null, 7]);
  });

  test('validation takes over what it does not say, but for its list of pictures', () => {
    const { recipe } = resolveRecipe({
      data: {
        format: 'yolo',
        train: { images: '/a/images', labels: '/a/labels', list: '/a/train.txt', classes: '/a/classes.txt' },
        val: { images: '/b/images', labels: '/b/labels' },
      },
    });
    assert.ok(recipe.data.format === 'yolo');
    assert.equal(recipe.data.val?.classes, '/a/classes.txt');
    assert.equal(recipe.data.val?.list, null);
    assert.equal(recipe.data.val?.images, '/b/images');
  });
});
