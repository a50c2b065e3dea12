import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run, temporaryFolder } from './command.ts';

const folder = temporaryFolder();
const root = fileURLToPath(new URL('../..', import.meta.url));
const datasets = join(root, '../shared/datasets');
after(() => rmSync(folder, { recursive: true, force: true }));

test('the iterator example of the guide trains', () => {
  const into = join(folder, 'iterator');
  const end = spawnSync(process.execPath, [join(root, 'docs/examples/iterator.js')], {
    encoding: 'utf8',
    env: { ...process.env, STEPS: '2', RUN: into },
  });
  assert.equal(end.status, 0, end.stderr);
  assert.match(end.stdout, /step 2: loss \d/);
  assert.ok(existsSync(join(into, 'student.safetensors')));
});

const absent = existsSync(datasets) ? false : `no data sets in ${datasets}`;
for (const name of ['bccd', 'chess', 'cones']) {
  test(`new writes a recipe for ${name} that check accepts`, { skip: absent }, () => {
    const recipe = join(folder, `${name}.yaml`);
    const made = run(['new', join(datasets, name), '--out', recipe]);
    assert.equal(made.status, 0, made.stderr);
    const checked = run(['check', '--config', recipe, '--no-decode', '--json']);
    assert.equal(checked.status, 0, checked.stderr);
    const { splits } = JSON.parse(checked.stdout);
    assert.ok(splits.train.images > 100 && splits.val.images > 20);
  });
  test(`the shipped recipe for ${name} fits its data`, { skip: absent }, () => {
    const checked = run([
      'check',
      '--config',
      join(root, `configs/gfl/r18_${name}.yaml`),
      '--no-decode',
      '--json',
    ]);
    assert.equal(checked.status, 0, checked.stderr);
    assert.ok(JSON.parse(checked.stdout).splits.train.perClass.length > 1);
  });
}
