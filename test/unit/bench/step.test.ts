import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  distilledStepRecipe,
  openStepBench,
  type StepBench,
  standardStepRecipe,
} from '../../../lib/bench/step.ts';
import { native } from '../../../lib/native.ts';
import { recipeOf } from '../trainer/fixtures.ts';

test('the standard step is the one that the peers run', () => {
  const { model, data, train } = standardStepRecipe();
  assert.deepEqual(
    [model.backbone, model.classes, model.norm, model.frozenStages],
    ['resnet18', 80, 'eval', 1],
  );
  assert.deepEqual([data.size, data.augment, train.batch, train.accumulate], [320, [], 4, 1]);
  // The linear scaling of the rate would make it another optimiser step than the peers'.
  assert.deepEqual([train.lr, train.lrBatch], [0.0025, 0]);
});

test('overrides change the standard step, and what is wrong in them is refused', async () => {
  const { train, data } = standardStepRecipe(['train.batch=2', 'data.size=96']);
  assert.deepEqual([train.batch, data.size, train.lr], [2, 96, 0.0025]);
  assert.throws(() => standardStepRecipe(['train.batch=none']), { code: 'HD_RECIPE_TYPE' });
  assert.equal(standardStepRecipe().train.batch, 4);
});

describe('openStepBench', () => {
  let bench: StepBench;
  before(async () => {
    const train = { epochs: 1, batch: 2, groups: [{ match: 'bbox_head.*', lr: 0.5, decay: 1 }] };
    bench = await openStepBench(recipeOf({ train }));
  });
  after(() => bench.close());

  test('runs past the end of an epoch, as long as it is asked', async () => {
    // Six steps an epoch.
    for (let i = 0; i < 8; ++i) {
      const { seconds, waitSeconds, outsideSeconds } = await bench.run();
      assert.ok(seconds > 0 && waitSeconds >= 0 && waitSeconds < seconds);
      // What is left of the call when native code is taken away: a little, and not less than nothing.
      assert.ok(outsideSeconds > -1e-3 && outsideSeconds < seconds, `${outsideSeconds} of ${seconds}`);
    }
  });
  test('the profile grows with every step, and its parts make up most of it', async () => {
    const before = await bench.profile();
    const { seconds } = await bench.run();
    const after = await bench.profile();
    const parts = Object.keys(after);
    for (const part of ['forward', 'backward', 'losses', 'optimizer']) assert.ok(parts.includes(part), part);
    let sum = 0;
    for (const part of parts) {
      const spent = (after[part] ?? 0) - (before[part] ?? 0);
      assert.ok(spent >= 0, part);
      sum += spent;
    }
    assert.ok(sum > 0.3 * seconds, `${sum} of ${seconds}`);
  });
  test('a closed bench says so', async () => {
    const short = await openStepBench(recipeOf());
    short.close();
    await assert.rejects(short.run(), { code: 'HD_USAGE' });
    await assert.rejects(async () => short.profile(), { code: 'HD_USAGE' });
  });
});

test('the distilled step is the standard one under a GFL-R50 that is written for it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hdtrain-step-'));
  try {
    const { teachers, distill, ...rest } = await distilledStepRecipe(folder);
    const { teachers: none, distill: nothing, ...plain } = standardStepRecipe();
    assert.deepEqual(rest, plain);
    assert.deepEqual([none, nothing], [[], []]);
    assert.deepEqual(
      distill.map((entry) => [entry.transfer, 'region' in entry && entry.region]),
      [
        ['localization', 'main'],
        ['localization', 'valuable'],
        ['classification', 'main'],
      ],
    );
    const changed = await distilledStepRecipe(folder, ['train.batch=2']);
    assert.deepEqual([changed.train.batch, changed.teachers.length], [2, 1]);
    const { metadata, tensors } = await native().weightsInfo(teachers[0]?.weights ?? '');
    assert.equal(JSON.parse(metadata.model ?? '{}').backbone, 'resnet50');
    assert.ok(tensors.length > 300);
    const bench = await openStepBench(await distilledStepRecipe(folder, ['train.batch=1', 'data.size=64']));
    try {
      const { seconds } = await bench.run();
      assert.ok(seconds > 0 && ((await bench.profile()).teacher ?? 0) > 0);
    } finally {
      bench.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
