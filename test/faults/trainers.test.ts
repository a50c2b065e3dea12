/** Several trainers in one process: side by side, and in threads that are created and terminated (fault 44). */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { temporaryFolder, writeRecipe } from './command.ts';
import { train, weightsOf } from './train.ts';
import { comeAndGo, held } from './trainers.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const recipe = writeRecipe(folder);
const set = (seed: number) => ['train.steps=3', 'train.epochs=null', `train.seed=${seed}`, 'data.val=null'];
const alone = (seed: number) => join(folder, `alone-${seed}`);

before(async () => {
  for (const seed of [1, 2])
    assert.equal((await train(recipe, alone(seed), { set: set(seed) })).error, undefined);
});

test('44: two trainers side by side end with the weights that each has alone', async () => {
  const both = [1, 2].map((seed) => join(folder, `both-${seed}`));
  const ends = await Promise.all(both.map((into, i) => train(recipe, into, { set: set(i + 1) })));
  for (const { error, result } of ends) {
    assert.equal(error, undefined);
    assert.equal(result?.status, 'done');
  }
  for (const [i, into] of both.entries()) assert.ok(weightsOf(into).equals(weightsOf(alone(i + 1))));
  assert.ok(!weightsOf(alone(1)).equals(weightsOf(alone(2))));
});

test('44: the end of one does not disturb the other', async () => {
  const calm = join(folder, 'other');
  const [broken, sound] = await Promise.all([
    train(recipe, join(folder, 'broken'), { set: set(2), fault: '{point: step, action: nan, step: 1}' }),
    train(recipe, calm, { set: set(1) }),
  ]);
  assert.equal(broken.error?.code, 'HD_DIVERGED');
  assert.equal(sound.result?.status, 'done');
  assert.ok(weightsOf(calm).equals(weightsOf(alone(1))));
});

test('44: ten trainers in threads come and go; no thread and no descriptor is left', async () => {
  const tiny = {
    model: { backbone: 'resnet18', neckChannels: 32, headChannels: 32, headConvs: 1 },
    data: { format: 'synthetic', size: 64, seed: 3, train: { count: 4 } },
    train: { steps: 3, batch: 2, threads: 1 },
    log: { every: 1 },
  };
  await comeAndGo(tiny, join(folder, 'warm'), 0, 2);
  const before = held();
  await comeAndGo(tiny, join(folder, 'threads'), 0, 10);
  const now = held();
  assert.ok(now.threads <= before.threads + 1, `${before.threads} threads became ${now.threads}`);
  assert.ok(
    now.descriptors <= before.descriptors + 1,
    `${before.descriptors} descriptors became ${now.descriptors}`,
  );
});
