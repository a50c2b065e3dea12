import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { LoaderStatistics, MatchReport, NativeDataset, NativeLoader } from '../../../lib/native.ts';
import { environmentOf, recipeDigest } from '../../../lib/trainer/digest.ts';
import type { Hook } from '../../../lib/trainer/hooks/hook.ts';
import type { Checkpoint, CheckpointState } from '../../../lib/trainer/run-folder.ts';
import {
  exportMetadata,
  initialWeights,
  nextRunFolder,
  requireWeights,
  restore,
  tellStatistics,
  timelineOf,
} from '../../../lib/trainer/start.ts';
import { temporaryFolder } from '../../faults/command.ts';
import { contextOf, fakeSession, openTrain, recipeOf } from './fixtures.ts';

const folder = realpathSync(temporaryFolder());
after(() => rmSync(folder, { recursive: true, force: true }));

let trainSet: NativeDataset;
before(async () => {
  trainSet = await openTrain(recipeOf());
});

test('the length of a run: its steps, its epochs, or twelve epochs', () => {
  const loader = { stepsPerEpoch: 5 } as NativeLoader;
  const totalOf = (train: { epochs: number | null; steps?: number }) =>
    timelineOf(recipeOf({ train }), loader);
  assert.deepEqual(totalOf({ epochs: 3 }), { stepsPerEpoch: 5, totalSteps: 15 });
  assert.equal(totalOf({ epochs: null, steps: 7 }).totalSteps, 7);
  assert.equal(totalOf({ epochs: null }).totalSteps, 60);
});

test('the next run folder is the first number that is free, under the current directory', () => {
  const before = process.cwd();
  process.chdir(folder);
  try {
    assert.equal(nextRunFolder('cells'), join(folder, 'runs', 'cells-1'));
    for (const name of ['cells-1', 'cells-3', 'other-2'])
      mkdirSync(join(folder, 'runs', name), { recursive: true });
    assert.equal(nextRunFolder('cells'), join(folder, 'runs', 'cells-2'));
    // A file is as much in the way as a folder.
    writeFileSync(join(folder, 'runs', 'cells-2'), '');
    assert.equal(nextRunFolder('cells'), join(folder, 'runs', 'cells-4'));
  } finally {
    process.chdir(before);
  }
});

describe('weights', () => {
  const report: MatchReport = { matched: ['a'], missing: [], unexpected: ['b'], wrongShape: [] };
  const there = join(folder, 'w.pth');
  before(() => writeFileSync(there, ''));

  test('that are not there are named before anything is loaded', () => {
    requireWeights(there);
    assert.throws(() => requireWeights(join(folder, 'none.pth')), {
      code: 'HD_WEIGHTS_MISSING',
      where: join(folder, 'none.pth'),
      exitCode: 4,
    });
  });
  test('of the recipe are loaded as it says, and the report names their file', async () => {
    const calls: unknown[] = [];
    const session = fakeSession({
      loadWeights: async (...given) => {
        calls.push(given);
        return report;
      },
    });
    const recipe = recipeOf({ model: { weights: there, init: 'backbone' } });
    assert.deepEqual(await initialWeights(contextOf(recipe, { trainSet, session })), {
      ...report,
      path: there,
    });
    assert.deepEqual(calls, [[there, 'backbone']]);
    assert.equal(await initialWeights(contextOf(recipeOf(), { trainSet, session })), undefined);
    const none = recipeOf({ model: { weights: join(folder, 'none.pth') } });
    await assert.rejects(initialWeights(contextOf(none, { trainSet, session })), {
      code: 'HD_WEIGHTS_MISSING',
    });
    assert.equal(calls.length, 1);
  });
});

describe('restore', () => {
  function checkpoint(change: Partial<CheckpointState> = {}): Checkpoint {
    const recipe = recipeOf();
    return {
      path: join(folder, 'step-0000000004'),
      state: {
        format: 2,
        classes: [],
        step: 4,
        epoch: 1,
        environment: environmentOf(recipe),
        digests: { recipe: recipeDigest(recipe), data: trainSet.digest },
        hooks: {},
        ...change,
      },
    };
  }
  /** What happened, in order. */
  async function restored(given: Checkpoint, hooks: string[] = []) {
    const log: unknown[] = [];
    const session = fakeSession({ restore: async (path) => void log.push(['session', path]) });
    const warnings: string[] = [];
    const listeners = hooks.map((name): Hook => ({ name, restore: (state) => log.push([name, state]) }));
    await restore(
      contextOf(recipeOf(), { trainSet, session }),
      given,
      [...listeners, { name: 'mute' }],
      warnings,
    );
    return { log, warnings };
  }

  test('the session first, then each hook gets the state that bears its name', async () => {
    const given = checkpoint({ hooks: { second: { n: 2 }, first: 1, gone: 'x', mute: 'y' } });
    const { log, warnings } = await restored(given, ['first', 'second', 'fresh']);
    assert.deepEqual(log, [
      ['session', given.path],
      ['first', 1],
      ['second', { n: 2 }],
    ]);
    assert.deepEqual(warnings, []);
  });
  for (const [code, digests] of [
    ['HD_RUN_RECIPE_CHANGED', { recipe: '0123456789abcdef' }],
    ['HD_RUN_DATA_CHANGED', { data: 'other' }],
    ['HD_RUN_TEACHER_CHANGED', { teachers: '0123456789abcdef' }],
  ] as const) {
    test(`${code}: refused before the session is touched`, async () => {
      const whole = checkpoint();
      const given = checkpoint({ digests: { ...whole.state.digests, ...digests } });
      await assert.rejects(restored(given, ['first']), { code, where: whole.path, exitCode: 2 });
    });
  }
  test('another machine is no reason to stop, but each difference is told', async () => {
    const environment = environmentOf(recipeOf());
    const now = Object.keys(environment);
    for (const key of now) {
      const { warnings } = await restored(
        checkpoint({ environment: { ...environment, [key]: 'elsewhere' } }),
      );
      assert.equal(warnings.length, 1);
      assert.match(warnings[0] ?? '', new RegExp(`another ${key} .*was elsewhere`));
    }
    assert.deepEqual(now.sort(), ['build', 'capability', 'precision', 'threads', 'torch']);
  });
});

describe('exportMetadata', () => {
  const recipe = recipeOf({ model: { weights: join(folder, 'w.pth') }, data: { size: [96, 64] } as never });
  const metadata = exportMetadata(recipe, ['cat', 'hot "dog"', 'Ünïcode']);
  test('holds what eval and predict need', () => {
    assert.equal(metadata.format, 'hdtrain-student-1');
    assert.deepEqual(JSON.parse(metadata.size ?? ''), [96, 64]);
    assert.deepEqual(JSON.parse(metadata.eval ?? ''), recipe.eval);
    const model = JSON.parse(metadata.model ?? '');
    assert.deepEqual(model.classes, ['cat', 'hot "dog"', 'Ünïcode']);
    assert.equal(model.neckChannels, 32);
  });
  test('and that pictures are stretched, where they are', () => {
    const stretched = recipeOf({ data: { keepRatio: false } as never });
    assert.equal(exportMetadata(stretched, ['a']).keepRatio, 'false');
  });
  test('and nothing of time, place or run: equal runs give equal files', () => {
    assert.ok(!JSON.stringify(metadata).includes(folder));
    assert.deepEqual(Object.keys(metadata).sort(), ['eval', 'format', 'model', 'size']);
    assert.deepEqual(exportMetadata(recipe, ['cat', 'hot "dog"', 'Ünïcode']), metadata);
  });
});

test('bad samples are told once, with the sum so far', () => {
  const bad = { image: 3, file: 'a.jpg', code: 'HD_DATA_PICTURE', message: 'cut off' };
  const answers = [[], [bad], []].map((newBadSamples, i) => ({
    newBadSamples,
    badSamples: Math.min(i, 1) + 4,
    cache: { hits: 0, misses: 0, bytes: 0, closed: '' },
  }));
  const loader = { statistics: () => answers.shift() as LoaderStatistics } as NativeLoader;
  const context = contextOf(recipeOf(), { trainSet, loader });
  for (let i = 0; i < 3; ++i) tellStatistics(context);
  assert.deepEqual(context.events, [{ type: 'bad-samples', split: 'train', samples: [bad], total: 5 }]);
});

test('a cache of pictures that keeps no more is told once', () => {
  const cache = { hits: 1, misses: 9, bytes: 5, closed: 'the limit of 5 MB is reached' };
  const statistics = { newBadSamples: [], badSamples: 0, cache } as unknown as LoaderStatistics;
  const loader = { statistics: () => statistics } as NativeLoader;
  const context = contextOf(recipeOf(), { trainSet, loader });
  for (let i = 0; i < 3; ++i) tellStatistics(context);
  assert.equal(context.events.length, 1);
  assert.match(
    (context.events[0] as { message: string }).message,
    /keeps no more pictures: the limit of 5 MB is reached; the others are decoded each time/,
  );
});
