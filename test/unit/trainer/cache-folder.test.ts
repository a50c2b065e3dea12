import assert from 'node:assert/strict';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { cacheFolder } from '../../../lib/trainer/cache-folder.ts';

const before = process.env.XDG_CACHE_HOME;

describe('what later runs may use again', () => {
  afterEach(() => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
  });

  test('lies below the cache of the user', () => {
    process.env.XDG_CACHE_HOME = '/somewhere';
    assert.equal(cacheFolder('shards'), '/somewhere/hdtrain/shards');
  });

  test('lies below the home folder where no cache is set', () => {
    for (const unset of [undefined, '']) {
      if (unset === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = unset;
      assert.equal(cacheFolder('teachers'), join(homedir(), '.cache/hdtrain/teachers'));
    }
  });
});
