/** Tar shards that are hostile, damaged, or hold no samples (faults 12 and 13). */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { native } from '../../lib/native.ts';
import type { RecipeInput } from '../../lib/recipe/index.ts';
import { localShards } from '../../lib/trainer/shards.ts';
import { Trainer } from '../../lib/trainer/trainer.ts';
import { writePng } from '../unit/cli/files.ts';
import { refuseWith, serveShards, tarOf } from '../unit/trainer/shard-server.ts';
import { temporaryFolder } from './command.ts';
import { loaderOf } from './folders.ts';
import { errorOf, tells } from './sentences.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

writePng(join(folder, 'picture.png'), 64, 48, 1);
const picture = readFileSync(join(folder, 'picture.png'));
const json = JSON.stringify({ boxes: [[4, 4, 40, 40]], labels: ['cat'] });
const home = join(folder, 'a/b');
mkdirSync(home, { recursive: true });
const shard = join(home, 'shard.tar');

function specOf(bytes: Buffer | string): Record<string, unknown> {
  writeFileSync(shard, bytes);
  return { format: 'webdataset', shards: shard, classes: ['cat'] };
}
const open = (bytes: Buffer | string) => native().openDataset(specOf(bytes));

/** The first entry with another type, as if it were a link or a device. */
function typed(bytes: Buffer, type: string): Buffer {
  const out = Buffer.from(bytes);
  out.write(type, 156);
  out.write('        ', 148);
  const sum = out.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  out.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return out;
}

describe('12: hostile and damaged tar shards', () => {
  test('12: names that leave the folder are read in place, and nothing is written anywhere', async () => {
    const names = ['../../../x', '/tmp/hdtrain-absolute', 'a/../../y'];
    const members = Object.fromEntries(
      names.flatMap((name) => [
        [`${name}.png`, picture],
        [`${name}.json`, json],
      ]),
    );
    const before = readdirSync(folder, { recursive: true }).sort();
    const spec = specOf(tarOf(members));
    const loader = await loaderOf(spec);
    loader.begin(0, 0);
    const batch = await loader.next();
    assert.equal(batch?.count, 4);
    loader.close();
    assert.deepEqual(readdirSync(folder, { recursive: true }).sort(), [...before, 'a/b/shard.tar'].sort());
  });

  for (const [type, kind] of [
    ['1', 'hard links'],
    ['2', 'symbolic links'],
    ['3', 'devices'],
    ['6', 'FIFOs'],
    ['S', 'sparse files'],
  ] as const) {
    test(`${kind} are skipped and counted`, async () => {
      const rest = { 'a.png': picture, 'a.json': json };
      const dataset = await open(
        Buffer.concat([typed(tarOf({ 'evil.png': '' }), type).subarray(0, 512), tarOf(rest)]),
      );
      assert.equal(dataset.length, 1);
      const { counts, first } = dataset.findings();
      assert.deepEqual(counts, { 'skipped-entries': 1 });
      assert.match(first[0]?.message ?? '', new RegExp(`1 ${kind}`));
    });
  }

  test('cut anywhere: what is whole is used, and said', async () => {
    const whole = tarOf({ 'a.png': picture, 'a.json': json, 'b.png': picture, 'b.json': json });
    const first = 512 + Math.ceil(picture.length / 512) * 512;
    for (const [length, samples] of [
      [whole.length - 1024, 2],
      [whole.length - 1100, 2],
      [2 * first + 1500, 2],
      [first + 1024 + 700, 1],
      [first, 1],
    ] as const) {
      const dataset = await open(whole.subarray(0, length));
      assert.equal(dataset.length, samples, `cut at ${length}`);
      assert.equal(dataset.findings().counts['shard-cut'], 1);
    }
  });

  test('a size that lies ends the shard, not the process', async () => {
    const whole = tarOf({ 'a.png': picture, 'a.json': json, 'b.png': picture });
    const last = 512 + Math.ceil(picture.length / 512) * 512 + 1024;
    const lying = Buffer.from(whole);
    lying.write('77777777777', last + 124);
    const signed = Buffer.concat([lying.subarray(0, last), typed(lying.subarray(last), '0')]);
    const dataset = await open(signed);
    assert.equal(dataset.length, 1);
    assert.equal(dataset.findings().counts['shard-cut'], 1);
  });

  test('what is no tar file, or no file, is refused', async () => {
    tells(await errorOf(() => open('\x1f\x8b'.padEnd(2000, 'z'))), 'HD_DATA_SHARD', 'shard.tar');
    const missing = { format: 'webdataset', shards: join(home, 'x-{0..3}.tar') };
    tells(await errorOf(() => native().openDataset(missing)), 'HD_DATA_SHARD', 'x-0.tar');
  });

  test('one that cannot be fetched is named with the answer and the cure', async () => {
    const server = await serveShards();
    try {
      server.mischief.push(refuseWith(403));
      const cache = { folder: join(folder, 'cache'), limit: 1 };
      const error = await errorOf(() => localShards(`${server.url}/a.tar`, cache));
      tells(error, 'HD_DATA_FETCH', '/a.tar');
    } finally {
      await server.close();
    }
  });
});

test('a run on shards resumes bit-equal, and learns the same from an address as from the disk', async () => {
  const pictures = (first: number) => {
    const members: Record<string, Buffer | string> = {};
    for (let i = first; i < first + 6; ++i) {
      const file = join(folder, 'one.png');
      writePng(file, 64, 48, i);
      members[`${i}.png`] = readFileSync(file);
      members[`${i}.json`] = JSON.stringify({ boxes: [[4, 4, 30 + i, 40]], labels: [i % 2 ? 'cat' : 'dog'] });
    }
    return tarOf(members);
  };
  const recipeOf = (shards: string) => ({
    model: { backbone: 'resnet18', neckChannels: 32, headChannels: 32, headConvs: 1, norm: 'train' },
    data: {
      format: 'webdataset',
      size: 64,
      train: { shards },
      augment: [{ flip: {} }, { colour: {} }],
      shardCache: { folder: join(folder, 'fetched') },
    },
    train: { epochs: 2, batch: 4, threads: 1 },
    log: { every: 1 },
  });
  const server = await serveShards();
  try {
    for (const [i, bytes] of [pictures(0), pictures(6)].entries()) {
      writeFileSync(join(folder, `s-${i}.tar`), bytes);
      server.files.set(`/s-${i}.tar`, { bytes });
    }
    const whole = await new Trainer(recipeOf(`${server.url}/s-{0..1}.tar`) as RecipeInput, {
      run: join(folder, 'whole'),
    }).run();
    assert.equal(whole.step, 6);
    const local = recipeOf(join(folder, 's-{0..1}.tar')) as RecipeInput;
    const abort = new AbortController();
    const first = new Trainer(local, { run: join(folder, 'cut'), signal: abort.signal }).run();
    for await (const event of first) if (event.type === 'step' && event.step === 2) abort.abort();
    assert.equal((await first).status, 'interrupted');
    const rest = await new Trainer(local, { run: join(folder, 'cut'), resume: 'auto' }).run();
    assert.equal(rest.status, 'done');
    assert.ok(readFileSync(rest.weights).equals(readFileSync(whole.weights)));
  } finally {
    await server.close();
  }
});

describe('13: shards without samples, or with odd ones', () => {
  test('13: orphans, repeated keys and broken JSON are findings, the rest is used', async () => {
    const twice = tarOf({ 'a.png': picture, 'a.json': json });
    const dataset = await open(
      Buffer.concat([
        twice.subarray(0, -1024),
        twice.subarray(0, -1024),
        tarOf({ 'orphan.json': json, 'text.txt': 'x', 'broken.png': picture, 'broken.json': '{"boxes": [' }),
      ]),
    );
    assert.equal(dataset.length, 1);
    assert.deepEqual(dataset.findings().counts, {
      'bad-sample': 1,
      'duplicate-key': 2,
      'no-picture': 1,
      'orphan-json': 1,
    });
  });

  for (const [what, members] of [
    ['nothing at all', {}],
    ['JSON alone', { 'a.json': json }],
  ] as const) {
    test(`${what}: refused, with what was found instead`, async () => {
      tells(await errorOf(() => open(tarOf(members))), 'HD_DATA_EMPTY', 'shard.tar');
    });
  }
});
