/** A run that is stopped while it waits for something that does not come (fault 24): it ends within seconds and goes on. */
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { IndexedSource } from '../../lib/index.ts';
import type { RecipeInput } from '../../lib/recipe/index.ts';
import type { TrainEvent } from '../../lib/trainer/events.ts';
import { Trainer, type TrainerOptions } from '../../lib/trainer/trainer.ts';
import { serveShards } from '../unit/trainer/shard-server.ts';
import { temporaryFolder } from './command.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

const tiny = (more: Partial<RecipeInput> = {}): RecipeInput => ({
  model: { neckChannels: 32, headChannels: 32, headConvs: 1 },
  data: { format: 'source', train: {}, val: {}, size: 64, augment: [], workers: 1, slots: 1 },
  train: { steps: 3, batch: 4, threads: 1 },
  eval: { pictures: 0 },
  ...more,
});

/** Pictures up to a point; from there on `get` calls `stuck` and never answers. */
function source(length: number, answers = Infinity, stuck = () => {}): IndexedSource {
  let asked = 0;
  return {
    length,
    classes: ['a'],
    get() {
      if (asked++ < answers)
        return {
          image: new Uint8Array(64 * 64 * 3),
          width: 64,
          height: 64,
          boxes: [[4, 4, 40, 40]],
          labels: [0],
        };
      stuck();
      return new Promise(() => {});
    },
  };
}

/** What became of a run, what it told, and how many seconds it took from the signal on. */
async function stopped(
  recipe: RecipeInput,
  options: (stop: () => void) => TrainerOptions,
): Promise<{ status: string; step: number; types: string[]; seconds: number }> {
  const abort = new AbortController();
  let at = Number.NaN;
  const stop = () => {
    at = performance.now();
    abort.abort();
  };
  const run = new Trainer(recipe, { ...options(stop), signal: abort.signal }).run();
  const types: TrainEvent['type'][] = [];
  for await (const { type } of run) types.push(type);
  const { status, step } = await run;
  return { status, step, types, seconds: (performance.now() - at) / 1000 };
}

describe('24: a run that is stopped while it waits', () => {
  test('for a server of shards that never answers', async () => {
    const server = await serveShards();
    const run = join(folder, 'fetching');
    const recipe = tiny({
      data: {
        format: 'webdataset',
        train: { shards: `${server.url}/a-{0..7}.tar` },
        shardCache: { folder: join(folder, 'shards') },
        size: 64,
      },
    });
    try {
      const end = await stopped(recipe, (stop) => {
        server.mischief.push(() => {
          setImmediate(stop);
          return true;
        });
        for (let i = 0; i < 8; ++i) server.mischief.push(() => true);
        return { run };
      });
      assert.deepEqual([end.status, end.step, end.types], ['interrupted', 0, ['end']]);
      assert.ok(end.seconds < 4, `${end.seconds} s`);
      // Nothing has begun here.
      assert.equal(existsSync(join(run, 'checkpoints')), false);
    } finally {
      await server.close();
    }
  });

  test('for pictures to learn from: what was learned is saved', async () => {
    const run = join(folder, 'training');
    const end = await stopped(tiny(), (stop) => ({
      run,
      sources: { train: source(8, 6, stop), val: source(2) },
    }));
    assert.deepEqual([end.status, end.step], ['interrupted', 1]);
    assert.ok(end.seconds < 12, `${end.seconds} s`);
    const sources = { train: source(8), val: source(2) };
    const rest = await new Trainer(tiny(), { run, resume: 'auto', sources }).run();
    assert.deepEqual([rest.status, rest.step], ['done', 3]);
  });

  test('for pictures to measure on: the evaluation is made up for on resume', async () => {
    const run = join(folder, 'measuring');
    const end = await stopped(tiny(), (stop) => ({
      run,
      sources: { train: source(8), val: source(8, 2, stop) },
    }));
    assert.deepEqual([end.status, end.step, end.types.includes('eval')], ['interrupted', 2, false]);
    assert.ok(end.seconds < 12, `${end.seconds} s`);
    const steps: number[] = [];
    const sources = { train: source(8), val: source(8) };
    const rest = new Trainer(tiny(), { run, resume: 'auto', sources }).run();
    for await (const event of rest) if (event.type === 'eval') steps.push(event.step);
    assert.deepEqual([(await rest).status, steps], ['done', [2, 3]]);
  });

  test('for teachers that are verified', async () => {
    const sources = { train: source(8), val: source(2) };
    const { weights } = await new Trainer(tiny(), { run: join(folder, 'teacher'), sources }).run();
    const recipe = tiny({
      teachers: [{ weights, verify: { images: 8 } }],
      distill: [{ transfer: 'localization' }],
    });
    const end = await stopped(recipe, (stop) => ({
      run: join(folder, 'verifying'),
      sources: { train: source(8), val: source(8, 5, stop) },
    }));
    assert.deepEqual([end.status, end.step, end.types], ['interrupted', 0, ['end']]);
    assert.ok(end.seconds < 12, `${end.seconds} s`);
  });
});
