import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { command, run } from '../../faults/command.ts';

const empty = mkdtempSync(join(tmpdir(), 'hdtrain-doctor-'));
after(() => rmSync(empty, { recursive: true, force: true }));

test('says what this machine has', () => {
  const found = JSON.parse(run(['doctor', '--json']).stdout);
  assert.equal(found.node, process.version);
  assert.match(found.native.torch, /^\d+\.\d+\.\d+/);
  assert.ok(found.cpu.cores >= 1 && found.memory.total > found.memory.free);
  assert.ok(
    ['libjpeg-turbo', 'libpng'].every((name) =>
      JSON.stringify(found.native.decoders).includes(name.slice(3)),
    ),
  );
  assert.ok(Array.isArray(found.fixes));
  assert.match(found.cuda, /./);
});

test('for people: one row each, and what to do', () => {
  const end = run(['doctor']);
  assert.equal(end.status, 0, end.stderr);
  for (const row of [
    'node',
    'addon',
    'libtorch',
    'processor',
    'abilities',
    'precision',
    'CUDA',
    'decoders',
    'memory',
  ])
    assert.match(end.stdout, new RegExp(`^${row} `, 'm'));
  assert.match(end.stdout, /all is well|to fix:/);
});

test('a LIBTORCH that is none is named among what to fix, and the rest is still told', () => {
  const end = spawnSync(process.execPath, [command, 'doctor', '--json'], {
    encoding: 'utf8',
    env: { ...process.env, LIBTORCH: empty },
  });
  const found = JSON.parse(end.stdout);
  assert.equal(found.libtorch, null);
  assert.ok(
    found.fixes.some((fix: string) => fix.includes('libtorch') || fix.includes('LIBTORCH')),
    end.stdout,
  );
  assert.equal(found.node, process.version);
});
