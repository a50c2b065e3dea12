import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { shortest as shortestPath } from '../../../lib/recipe/files.ts';
import { loadRecipe, RecipeError } from '../../../lib/recipe/index.ts';
import { limits } from '../../../lib/recipe/parse.ts';
import { failure, folderOf, load, problemOf, shortest } from './helpers.ts';

/** The only problem of a file that is already there. */
function problemAt(folder: string, name: string) {
  try {
    loadRecipe(name, { cwd: folder });
  } catch (error) {
    assert.ok(error instanceof RecipeError);
    assert.equal(error.problems.length, 1, error.message);
    return error.problems[0];
  }
  return assert.fail('expected the recipe to be refused');
}

describe('extends', () => {
  test('several levels, each relative to its own file', () => {
    const { recipe } = load({
      'a.yaml': 'extends: bases/b.yaml\ntrain: {batch: 8}\n',
      'bases/b.yaml': 'extends: deep/c.yaml\ntrain: {batch: 4, lr: 0.5}\n',
      'bases/deep/c.yaml': `${shortest}train: {batch: 2, lr: 0.25, seed: 7}\n`,
    });
    assert.equal(recipe.train.batch, 8);
    assert.equal(recipe.train.lr, 0.5);
    assert.equal(recipe.train.seed, 7);
  });

  test('paths are relative to the file that they stand in', () => {
    const { recipe, folder } = load({
      'a.yaml': 'extends: bases/b.yaml\nmodel: {weights: own.pth}\n',
      'bases/b.yaml':
        'data: {format: coco, train: {images: pictures, annotations: ../notes.json}}\nmodel: {weights: base.pth}\n',
    });
    assert.equal(recipe.model.weights, join(folder, 'own.pth'));
    assert.ok(recipe.data.format === 'coco');
    assert.equal(recipe.data.train.images, join(folder, 'bases/pictures'));
    assert.equal(recipe.data.train.annotations, join(folder, 'notes.json'));
  });

  test('null takes a key of the base away', () => {
    const { recipe } = load({
      'a.yaml': 'extends: b.yaml\ntrain: {lr: null, optimizer: {momentum: null}}\n',
      'b.yaml': `${shortest}train: {lr: 0.5, optimizer: {momentum: 0.5}}\n`,
    });
    assert.equal(recipe.train.lr, 0.01);
    assert.equal(recipe.train.optimizer.momentum, 0.9);
  });

  test('null stays where it means something', () => {
    const { recipe } = load({
      'a.yaml': 'extends: b.yaml\ntrain: {ema: null, epochs: null, steps: 9}\n',
      'b.yaml': `${shortest}train: {ema: {decay: 0.5}, epochs: 3}\n`,
    });
    assert.equal(recipe.train.ema, null);
    assert.deepEqual([recipe.train.epochs, recipe.train.steps], [null, 9]);
  });

  test('a fault in the base is told with the line of the base', () => {
    const files = {
      'a.yaml': 'extends: b.yaml\ntrain: {batch: 8}\n',
      'b.yaml': `${shortest}train:\n  lr: fast\n`,
    };
    const problem = problemOf(files);
    assert.match(problem.file, /b\.yaml$/);
    assert.equal(problem.line, 3);
    assert.match(problem.message, /for train\.lr but received 'fast' \(b\.yaml:3\)$/);
  });

  test('faults of both files at once', () => {
    const { problems } = failure({
      'a.yaml': 'extends: b.yaml\ntrain:\n  bacth: 8\n',
      'b.yaml': `${shortest}train:\n  lr: fast\n`,
    });
    assert.deepEqual(
      problems.map(({ file, line }) => `${file.slice(-6)}:${line}`),
      ['b.yaml:3', 'a.yaml:3'],
    );
  });

  test('a field that the own file repairs is no fault', () => {
    const { recipe } = load({
      'a.yaml': 'extends: b.yaml\ntrain: {lr: 0.3}\n',
      'b.yaml': `${shortest}train: {lr: fast}\n`,
    });
    assert.equal(recipe.train.lr, 0.3);
  });

  test('a missing base points to the line that asks for it', () => {
    const problem = problemOf({ 'a.yaml': `${shortest}extends: nowhere.yaml\n` });
    assert.equal(problem.code, 'HD_RECIPE_EXTENDS');
    assert.equal(problem.line, 2);
    assert.match(problem.message, /nowhere\.yaml/);
  });

  test('circles of any length are refused', () => {
    assert.equal(problemOf({ 'a.yaml': 'extends: a.yaml\n' }).code, 'HD_RECIPE_EXTENDS');
    const three = problemOf({
      'a.yaml': 'extends: b.yaml\n',
      'b.yaml': 'extends: c.yaml\n',
      'c.yaml': '# round\nextends: ./a.yaml\n',
    });
    assert.equal(three.code, 'HD_RECIPE_EXTENDS');
    assert.match(three.message, /in a circle .*\(c\.yaml:2\); remove this 'extends'$/);
  });

  test('a circle through a link is one as well', () => {
    const folder = folderOf({ 'a.yaml': 'extends: link.yaml\n' });
    symlinkSync('a.yaml', join(folder, 'link.yaml'));
    assert.equal(problemAt(folder, 'a.yaml')?.code, 'HD_RECIPE_EXTENDS');
  });

  test('an endless chain ends', () => {
    const files: Record<string, string> = { 'a.yaml': 'extends: 0.yaml\n' };
    for (let level = 0; level < 30; level++) files[`${level}.yaml`] = `extends: ${level + 1}.yaml\n`;
    files['30.yaml'] = shortest;
    assert.match(problemOf(files).message, /at most 20 levels/);
  });

  test('only one path', () => {
    for (const value of ['[b.yaml]', '3', '{a: b}', "''", 'null']) {
      const { problems } = failure({ 'a.yaml': `${shortest}extends: ${value}\n`, 'b.yaml': shortest });
      assert.deepEqual(
        problems.map(({ code, line, path }) => [code, line, path]),
        [['HD_RECIPE_TYPE', 2, 'extends']],
        value,
      );
    }
  });
});

describe('files that cannot be read', () => {
  test('none, folders, pipes', () => {
    const folder = folderOf({ 'folder/a.yaml': shortest });
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    for (const name of ['nowhere.yaml', 'folder', 'pipe', 'folder/a.yaml/b']) {
      const problem = problemAt(folder, name);
      assert.equal(problem?.code, 'HD_RECIPE_FILE', name);
      assert.match(problem?.message ?? '', /expected a readable text file/);
    }
  });

  test('a loop of links', () => {
    const folder = folderOf({});
    symlinkSync('b', join(folder, 'a'));
    symlinkSync('a', join(folder, 'b'));
    assert.equal(problemAt(folder, 'a')?.code, 'HD_RECIPE_FILE');
  });

  test('bytes that are no UTF-8', () => {
    assert.match(problemOf(new Uint8Array([0x61, 0x3a, 0x20, 0xff])).message, /not UTF-8/);
    assert.match(problemOf(Buffer.from('a: 1\n', 'utf16le')).message, /null byte|expected valid YAML/);
  });

  test('100 MB are refused by their size, without reading', () => {
    const folder = folderOf({ 'a.yaml': '' });
    truncateSync(join(folder, 'a.yaml'), 100 * 2 ** 20);
    const before = process.memoryUsage().rss;
    const problem = problemAt(folder, 'a.yaml');
    assert.equal(problem?.code, 'HD_RECIPE_LIMIT');
    assert.match(problem?.message ?? '', /104857600 bytes/);
    assert.ok(process.memoryUsage().rss - before < 50 * 2 ** 20);
  });

  test('the limit itself', () => {
    const folder = folderOf({});
    const fill = (bytes: number) => {
      writeFileSync(join(folder, 'a.yaml'), `${shortest}#${'x'.repeat(bytes - shortest.length - 1)}`);
    };
    fill(limits.bytes);
    assert.equal(loadRecipe('a.yaml', { cwd: folder }).name, 'a');
    fill(limits.bytes + 1);
    assert.equal(problemAt(folder, 'a.yaml')?.code, 'HD_RECIPE_LIMIT');
  });

  test('a file whose size the system does not know is read to its end', () => {
    assert.throws(() => loadRecipe('/proc/self/status'), RecipeError);
  });
});

test('messages show the shorter path', () => {
  assert.equal(shortestPath('/a/b/c.yaml', '/a/b'), 'c.yaml');
  assert.equal(shortestPath('/a/b/c.yaml', '/a'), 'b/c.yaml');
  assert.equal(shortestPath('/long/c.yaml', '/long/b'), '../c.yaml');
  assert.equal(shortestPath('/x.yaml', '/a/b/c/d'), '/x.yaml');
});
