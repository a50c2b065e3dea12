/** docs/internals/house.md: the rules that a program can check. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

function sources(folder: string, ending: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name) && !name.startsWith('.'))
    .map((name) => join(folder, name));
}

const text = (path: string) => readFileSync(join(root, path), 'utf8');

describe('the house', () => {
  test('no source file is longer than a person reads in one sitting', () => {
    const files = [
      ...sources('lib', /\.ts$/),
      ...sources('native', /\.(cpp|h)$/),
      ...sources('scripts', /\.(mjs|ts)$/),
      ...sources('bench', /\.(py|ts)$/),
    ];
    assert.ok(files.length > 300, `only ${files.length} files were found`);
    const long = files.filter((path) => text(path).split('\n').length > 401);
    assert.deepEqual(long, [], 'above 400 lines: split them by subject');
  });
  test('one file loads the addon; what lies in lib/native/ is types', () => {
    const loading = sources('lib', /\.ts$/).filter((path) => /\bcreateRequire\b/.test(text(path)));
    assert.deepEqual(loading, ['lib/native.ts']);
    for (const path of sources('lib/native', /\.ts$/)) {
      assert.doesNotMatch(text(path), /^import (?!type )/m, path);
      assert.doesNotMatch(text(path), /^(export )?(const|let|function|class|enum) /m, path);
    }
  });
});
