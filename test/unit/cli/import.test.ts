import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { run, temporaryFolder } from '../../faults/command.ts';
import { writeSafetensors } from './files.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

const from = join(folder, 'from.safetensors');
writeSafetensors(from, {
  'layer.weight': { shape: [2, 3], values: [1, -2, 3.5, 0, 1e-30, 65504] },
  'layer.bias': { shape: [2], values: [0.25, -0.125] },
});

describe('import', () => {
  test('names, shapes and bits survive', () => {
    const to = join(folder, 'to.safetensors');
    const end = run(['import', from, to, '--json']);
    assert.equal(end.status, 0, end.stderr);
    const { tensors } = JSON.parse(end.stdout);
    assert.deepEqual(
      Object.fromEntries(tensors.map(({ name, shape }: { name: string; shape: number[] }) => [name, shape])),
      { 'layer.weight': [2, 3], 'layer.bias': [2] },
    );
    const bytes = readFileSync(to);
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
    const start = 8 + Number(bytes.readBigUInt64LE(0)) + header['layer.weight'].data_offsets[0];
    const values = [0, 1, 2, 3, 4, 5].map((i) => bytes.readFloatLE(start + 4 * i));
    assert.deepEqual(values, [1, -2, 3.5, 0, Math.fround(1e-30), 65504]);
  });
  test('for people: each tensor, the sum, what to type next', () => {
    const end = run(['import', from, join(folder, 'people.safetensors')]);
    assert.match(end.stdout, /layer\.weight {2}\w+ 2×3/);
    assert.match(end.stdout, /2 tensors, 8 numbers/);
    assert.match(end.stdout, /next: /);
  });
  const bad: [string, Buffer | null, number][] = [
    ['a pickle that would run a command', Buffer.from('cos\nsystem\n(S"touch pwned"\ntR.'), 4],
    ['a file of zeros', Buffer.alloc(64), 4],
    ['an empty file', Buffer.alloc(0), 4],
    ['a missing file', null, 4],
  ];
  for (const [what, content, code] of bad) {
    test(`${what}: exit ${code}, the file is named, nothing is written`, () => {
      const path = join(folder, 'bad.pth');
      rmSync(path, { force: true });
      if (content) writeFileSync(path, content);
      const to = join(folder, 'never.safetensors');
      const end = run(['import', path, to], folder);
      assert.equal(end.status, code, end.stderr);
      assert.match(end.stderr, /bad\.pth/);
      assert.equal(existsSync(to), false);
      assert.equal(existsSync(join(folder, 'pwned')), false);
    });
  }
  test('a wrong ending or an existing file: exit 2 with the cure', () => {
    assert.match(run(['import', from, join(folder, 'x.pth')]).stderr, /\.safetensors/);
    const end = run(['import', from, from]);
    assert.equal(end.status, 2);
    assert.match(end.stderr, /--force/);
  });
});
