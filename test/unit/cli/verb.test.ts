import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { machineOverrides, outputFolder, print, showFetching, wholeNumber } from '../../../lib/cli/verb.ts';
import { HdError } from '../../../lib/error.ts';

const folder = mkdtempSync(join(tmpdir(), 'hdtrain-verb-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('whole numbers', () => {
  test('inside the bounds they pass, bounds included', () => {
    for (const value of [1, 5, 9]) assert.equal(wholeNumber('size', value, 1, 9), value);
  });
  test('anything else is refused by the name of its option', () => {
    for (const value of [0, 10, 2.5, Number.NaN, Number.POSITIVE_INFINITY, -3])
      assert.throws(
        () => wholeNumber('size', value, 1, 9),
        (error: HdError) =>
          error instanceof HdError &&
          error.code === 'HD_USAGE' &&
          /--size/.test(error.message) &&
          /1 to 9/.test(error.message),
      );
  });
});

describe('output folders', () => {
  test('are made, however deep, and may exist', () => {
    const deep = join(folder, 'a', 'b');
    outputFolder('out', deep);
    outputFolder('out', deep);
    assert.ok(existsSync(deep));
  });
  test('a file in the way is refused with the cause', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    for (const path of [file, join(file, 'below')])
      assert.throws(
        () => outputFolder('pictures', path),
        (error: HdError) =>
          error.code === 'HD_USAGE' && /--pictures/.test(error.message) && error.where === path,
      );
  });
});

test('machine options are overrides of the recipe', () => {
  assert.deepEqual(machineOverrides({}), []);
  assert.deepEqual(machineOverrides({ threads: undefined }), []);
  assert.deepEqual(machineOverrides({ threads: 3 }), ['train.threads=3']);
});

test('fetching is told on a terminal only, and leaves no line behind', (context) => {
  const written: string[] = [];
  context.mock.method(process.stderr, 'write', (text: string) => written.push(text) > 0);
  const before = process.stderr.isTTY;
  try {
    process.stderr.isTTY = false;
    showFetching({ type: 'fetch', ready: 0, shards: 1, bytes: 1024 });
    assert.deepEqual(written, []);
    process.stderr.isTTY = true;
    showFetching({ type: 'fetch', ready: 0, shards: 1, bytes: 1024 });
    showFetching({ type: 'fetch', ready: 1, shards: 1, bytes: 2048 });
    assert.deepEqual(written, ['\r\x1b[Kfetching shards: 0 of 1, 1 kB', '\r\x1b[K']);
  } finally {
    process.stderr.isTTY = before;
  }
});

test('a result is JSON for machines, text for people, one of them', (context) => {
  const written: string[] = [];
  context.mock.method(process.stdout, 'write', (text: string) => written.push(text) > 0);
  print(true, { a: 1 }, () => assert.fail('text was made for a machine'));
  print(false, { toJSON: () => assert.fail('JSON was made for people') }, () => 'text');
  assert.deepEqual(written, ['{"a":1}\n', 'text\n']);
});
