import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { native } from '../../../lib/native.ts';
import { type RecipeInput, resolveRecipe } from '../../../lib/recipe/index.ts';
import type { FetchEvent } from '../../../lib/trainer/events.ts';
import { openData, openSplit } from '../../../lib/trainer/setup.ts';
import { localShards, targetOf } from '../../../lib/trainer/shards.ts';
import { temporaryFolder } from '../../faults/command.ts';
import { writePng } from '../cli/files.ts';
import { cutAfter, refuseWith, type ShardServer, serveShards, tarOf } from './shard-server.ts';

const hasty = { attempts: 2, pause: 1, idle: 5000 };
let server: ShardServer;
let folder: string;

before(async () => {
  server = await serveShards();
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  if (folder) rmSync(folder, { recursive: true, force: true });
  folder = temporaryFolder();
  server.files.clear();
  server.requests.length = 0;
  server.mischief.length = 0;
  for (let i = 0; i < 3; ++i) server.files.set(`/data/train-${i}.tar`, { bytes: shard(i) });
});

function shard(seed: number): Buffer {
  const picture = join(folder, 'picture.png');
  writePng(picture, 64, 48, seed);
  const label = JSON.stringify({ boxes: [[4, 4, 24, 24]], labels: [seed % 2 ? 'dog' : 'cat'] });
  return tarOf({ [`${seed}.png`]: readFileSync(picture), [`${seed}.json`]: label });
}

const cache = (limit = 1) => ({ folder: join(folder, 'cache'), limit });

describe('localShards', () => {
  test('what lies on the disk stays as it is, and no cache is made', async () => {
    const shards = ['/d/a-{0..3}.tar', '/d/b.tar'];
    assert.deepEqual(await localShards(shards, cache()), shards);
    assert.deepEqual(await localShards('/d/a.tar', cache()), ['/d/a.tar']);
    assert.ok(!existsSync(cache().folder));
  });

  test('addresses are fetched once, under their own names in one folder, mixed with files', async () => {
    const events: FetchEvent[] = [];
    const shards = [`${server.url}/data/train-{0..2}.tar`, '/d/b.tar'];
    const paths = await localShards(shards, cache(), { ...hasty, tell: (event) => events.push(event) });
    assert.equal(paths.length, 4);
    assert.deepEqual(
      paths.map((path) => basename(path)),
      ['train-0.tar', 'train-1.tar', 'train-2.tar', 'b.tar'],
    );
    assert.equal(new Set(paths.slice(0, 3).map((path) => dirname(path))).size, 1);
    for (const [i, path] of paths.slice(0, 3).entries())
      assert.ok(
        readFileSync(path).equals(server.files.get(`/data/train-${i}.tar`)?.bytes ?? Buffer.alloc(0)),
      );
    const last = events.at(-1);
    assert.deepEqual([last?.ready, last?.shards], [3, 3]);
    assert.equal(
      last?.bytes,
      [...server.files.values()].reduce((sum, { bytes }) => sum + bytes.length, 0),
    );
    assert.equal(server.requests.length, 3);
    assert.deepEqual(await localShards(shards, cache(), hasty), paths);
    assert.equal(server.requests.length, 3, 'a whole shard is not asked for again');
    assert.deepEqual(
      readdirSync(dirname(paths[0] ?? '')).filter((name) => !/^train-\d\.tar(\.json)?$/.test(name)),
      [],
      'no locks, no parts',
    );
  });

  test('no more than `parallel` at a time', async () => {
    let [now, most] = [0, 0];
    for (let i = 0; i < 3; ++i) {
      server.mischief.push((_request, response) => {
        most = Math.max(most, ++now);
        response.once('close', () => --now);
        return false;
      });
    }
    await localShards(`${server.url}/data/train-{0..2}.tar`, cache(), { ...hasty, parallel: 1 });
    assert.equal(most, 1);
  });

  test('one that fails ends it; those that are whole stay, and the next try fetches the rest', async () => {
    server.files.delete('/data/train-1.tar');
    const get = () => localShards(`${server.url}/data/train-{0..2}.tar`, cache(), { ...hasty, parallel: 1 });
    await assert.rejects(get(), {
      code: 'HD_DATA_FETCH',
      message: /train-1\.tar but received 404 Not Found/,
    });
    assert.deepEqual(
      server.requests.map(({ path }) => path),
      ['/data/train-0.tar', '/data/train-1.tar'],
    );
    server.files.set('/data/train-1.tar', { bytes: shard(1) });
    assert.equal((await get()).length, 3);
    assert.equal(server.requests.length, 4);
  });

  test('a connection that is cut is gone on with', async () => {
    server.mischief.push(
      cutAfter(server.files, 700, () => true),
      refuseWith(503),
    );
    const [path = ''] = await localShards(`${server.url}/data/train-0.tar`, cache(), {
      ...hasty,
      attempts: 3,
    });
    assert.ok(readFileSync(path).equals(server.files.get('/data/train-0.tar')?.bytes ?? Buffer.alloc(0)));
  });

  test('the limit counts what lies there and what is announced, before it is fetched', async () => {
    const size = server.files.get('/data/train-0.tar')?.bytes.length ?? 0;
    const get = (limit: number) =>
      localShards(`${server.url}/data/train-{0..1}.tar`, cache(limit / 1e9), { ...hasty, parallel: 1 });
    await assert.rejects(get(1.5 * size), {
      code: 'HD_DATA_SHARD_CACHE',
      message: /delete old folders in it, or raise data\.shardCache\.limit/,
    });
    assert.equal(server.requests.length, 2, 'the first one fits');
    await get(3 * size);
    rmSync(cache().folder, { recursive: true });
    mkdirSync(cache().folder);
    writeFileSync(join(cache().folder, 'other'), Buffer.alloc(2 * size));
    await assert.rejects(get(3 * size), { code: 'HD_DATA_SHARD_CACHE' });
  });

  test('the limit holds also where no size is announced', async () => {
    const large = Buffer.alloc(500_000);
    server.mischief.push((_request, response) => {
      response.writeHead(200);
      response.write(large);
      return true; // and never ends
    });
    await assert.rejects(localShards(`${server.url}/data/train-0.tar`, cache(100_000 / 1e9), hasty), {
      code: 'HD_DATA_SHARD_CACHE',
    });
  });
});

describe('where a shard lies', () => {
  test('the name is that of the address, the folder that of its place', () => {
    const [one, two] = ['https://x.org/d/a.tar', 'https://x.org/d/b.tar'].map((url) => targetOf(url, '/c'));
    assert.match(one ?? '', /^\/c\/[0-9a-f]{16}\/a\.tar$/);
    assert.equal(dirname(one ?? ''), dirname(two ?? ''));
    for (const other of [
      'https://x.org/e/a.tar',
      'http://x.org/d/a.tar',
      'https://x.org/d/a.tar?v=2',
      'https://y.org/d/a.tar',
    ])
      assert.notEqual(targetOf(other, '/c'), one);
  });
  test('no name leaves the folder', () => {
    for (const [url, name] of [
      ['https://x.org/..%2F..%2Fetc', '_.%2F..%2Fetc'.replace(/%/g, '_')],
      ['https://x.org/a b{1}.tar', 'a_20b_7B1_7D.tar'],
      ['https://x.org/.hidden', '_hidden'],
      ['https://x.org/', 'shard.tar'],
    ])
      assert.equal(basename(targetOf(url ?? '', '/c')), name);
    assert.throws(() => targetOf('https://', '/c'), { code: 'HD_DATA_FETCH' });
  });
});

describe('two at once', () => {
  test('in one process: each shard is fetched once', async () => {
    const get = () => localShards(`${server.url}/data/train-{0..2}.tar`, cache(), hasty);
    const [one, two] = await Promise.all([get(), get()]);
    assert.deepEqual(one, two);
    assert.equal(server.requests.length, 3);
  });

  test('a lock that another process holds is waited for, and told', async () => {
    const url = `${server.url}/data/train-0.tar`;
    const target = targetOf(url, cache().folder);
    mkdirSync(dirname(target), { recursive: true });
    const holder = spawn(
      process.execPath,
      [
        '--import',
        'tsx',
        '-e',
        `import { native } from ${JSON.stringify(fileURLToPath(new URL('../../../lib/native.ts', import.meta.url)))};
         const lock = native().lockFile(${JSON.stringify(`${target}.lock`)});
         console.log(lock ? 'held' : 'refused');
         process.stdin.once('data', () => { lock.release(); process.exit(0); });`,
      ],
      { stdio: ['pipe', 'pipe', 'inherit'], cwd: fileURLToPath(new URL('../../..', import.meta.url)) },
    );
    try {
      const said = await new Promise<string>((resolve) =>
        holder.stdout.once('data', (data) => resolve(String(data))),
      );
      assert.equal(said.trim(), 'held');
      const events: FetchEvent[] = [];
      const going = localShards(url, cache(), { ...hasty, tell: (event) => events.push(event) });
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.equal(server.requests.length, 0);
      assert.ok(events.some(({ waiting }) => waiting));
      holder.stdin.write('go\n');
      assert.deepEqual(await going, [target]);
      assert.equal(server.requests.length, 1);
    } finally {
      holder.kill();
    }
  });
});

describe('a data set of shards', () => {
  const recipeOf = (shards: string | string[], more: Record<string, unknown> = {}) =>
    resolveRecipe({
      data: { format: 'webdataset', train: { shards }, shardCache: cache(), ...more },
    } as RecipeInput).recipe;

  function writeShards(): string {
    mkdirSync(join(folder, 'local'), { recursive: true });
    for (let i = 0; i < 3; ++i) writeFileSync(join(folder, `local/train-${i}.tar`), shard(i));
    return join(folder, 'local/train-{0..2}.tar');
  }

  test('from the disk: pictures, classes, and the same loader as any other', async () => {
    const dataset = await openSplit(recipeOf(writeShards()), 'train');
    assert.equal(dataset?.length, 3);
    assert.deepEqual(dataset?.classes, ['cat', 'dog']);
    const image = dataset?.image(1);
    assert.equal(image?.file, join(folder, 'local/train-1.tar/1.png'));
    assert.deepEqual([image?.width, image?.height], [64, 48]);
    assert.deepEqual([...(image?.boxes ?? [])], [4, 4, 24, 24]);
    const report = await dataset?.report({ decode: true, threads: 1 });
    assert.deepEqual(report?.findingCounts, {});
    assert.equal(report?.trainable, 3);
  });

  test('from an address it is the same data set', async () => {
    const events: FetchEvent[] = [];
    const remote = recipeOf(`${server.url}/data/train-{0..2}.tar`, {
      val: { shards: [`${server.url}/data/train-1.tar`], classes: ['cat', 'dog'] },
    });
    const { trainSet, valSet } = await openData(
      recipeOf(`${server.url}/data/train-{0..2}.tar`, {
        ...('val' in remote.data && { val: { shards: `${server.url}/data/train-1.tar` } }),
        train: { shards: `${server.url}/data/train-{0..2}.tar`, classes: ['cat', 'dog'] },
      }),
      (event) => events.push(event),
    );
    assert.equal(valSet?.length, 1);
    assert.equal(events.at(-1)?.ready, 3);
    assert.equal(server.requests.length, 3, 'training has fetched what validation needs');
    const local = await openSplit(recipeOf(writeShards()), 'train');
    assert.equal(trainSet.digest, local?.digest);
  });

  test('paths become absolute, addresses stay', () => {
    const { recipe } = resolveRecipe({
      data: {
        format: 'webdataset',
        train: { shards: ['a.tar', 'https://x.org/b.tar', 'HTTP://x.org/c.tar'] },
      },
    } as RecipeInput);
    assert.ok(recipe.data.format === 'webdataset');
    assert.deepEqual(recipe.data.train.shards, [
      join(process.cwd(), 'a.tar'),
      'https://x.org/b.tar',
      'HTTP://x.org/c.tar',
    ]);
    assert.deepEqual(recipe.data.shardCache, { folder: null, limit: 100 });
  });

  test('expandBraces', () => {
    assert.deepEqual(native().expandBraces('a{1..2}'), ['a1', 'a2']);
    assert.throws(() => native().expandBraces('{0..9999999}'), { code: 'HD_DATA_SHARD' });
  });
});
