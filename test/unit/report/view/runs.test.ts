import assert from 'node:assert/strict';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { HdError } from '../../../../lib/error.ts';
import { runFolders, runNames } from '../../../../lib/report/view/runs.ts';
import { temporaryFolder } from '../../../faults/command.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

test('a folder of runs stands for them, in the order of people; each comes once', () => {
  for (const name of ['a-10', 'a-2', 'notes']) mkdirSync(join(root, 'runs', name), { recursive: true });
  for (const name of ['a-10', 'a-2']) writeFileSync(join(root, 'runs', name, 'metrics.jsonl'), '');
  const [second, tenth] = ['a-2', 'a-10'].map((name) => join(root, 'runs', name));
  assert.deepEqual(runFolders([join(root, 'runs')]), [second, tenth]);
  assert.deepEqual(runFolders([tenth as string, join(root, 'runs')]), [tenth, second]);
});

test('a run that lies elsewhere, behind a link, counts as well', () => {
  const folder = join(root, 'links');
  mkdirSync(folder);
  symlinkSync(join(root, 'runs/a-2'), join(folder, 'best'));
  symlinkSync(join(root, 'nowhere'), join(folder, 'gone'));
  assert.deepEqual(runFolders([folder]), [join(folder, 'best')]);
});

test('what is no run is refused with its name', () => {
  writeFileSync(join(root, 'file'), '');
  for (const path of ['nowhere', 'file', 'runs/notes'])
    assert.throws(
      () => runFolders([join(root, path)]),
      (error) => error instanceof HdError && error.code === 'HD_USAGE' && error.message.includes(path),
    );
});

test('names are as short as they can be and never the same', () => {
  assert.deepEqual(runNames(['/r/a-1', '/r/a-2']), ['a-1', 'a-2']);
  assert.deepEqual(runNames(['/x/one/a-1', '/x/two/a-1', '/x/b']), ['one/a-1', 'two/a-1', 'b']);
  assert.deepEqual(runNames(['/a/a', '/a']), ['a/a', 'a']);
});
