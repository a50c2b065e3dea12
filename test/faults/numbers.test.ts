/** Clocks that jump and counters beyond 32 bits (fault 43). */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { learningRate } from '../../lib/trainer/schedule.ts';
import { recipeOf } from '../unit/trainer/fixtures.ts';
import { temporaryFolder, writeRecipe } from './command.ts';
import { loaderOf } from './folders.ts';
import { metricsOf, train, weightsOf } from './train.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const recipe = writeRecipe(folder);

test('43: a clock that jumps years back and forth changes no weight and no duration', async (context) => {
  const calm = join(folder, 'calm');
  await train(recipe, calm, { set: ['train.epochs=1'] });
  const now = Date.now;
  let calls = 0;
  context.mock.method(Date, 'now', () => now() + (++calls % 2 === 0 ? 1e11 : -1e11));
  const into = join(folder, 'jump');
  const { result, events } = await train(recipe, into, { set: ['train.epochs=1'] });
  assert.equal(result?.status, 'done');
  for (const event of events) {
    if ('seconds' in event)
      assert.ok(event.seconds >= 0 && event.seconds < 600, `${event.type} ${event.seconds}`);
  }
  assert.ok(weightsOf(into).equals(weightsOf(calm)));
  assert.equal(metricsOf(into).filter(({ type }) => type === 'step').length, 3);
});

test('43: steps and epochs beyond 2³¹ have finite rates and batches of their own', async () => {
  const { train: options } = recipeOf();
  const timeline = { stepsPerEpoch: 1000, totalSteps: 2 ** 42 };
  for (const step of [2 ** 31, 2 ** 33 + 1, 2 ** 42 - 1]) {
    const rate = learningRate(step, 0.01, options, timeline);
    assert.ok(Number.isFinite(rate) && rate >= 0 && rate <= 0.01, `${rate} at step ${step}`);
  }
  const spec = { format: 'synthetic', split: 'train', count: 8, seed: 1, size: [64, 64] };
  const loader = await loaderOf(spec);
  const positions = async (epoch: number) => {
    loader.begin(epoch, 0);
    const batch = await loader.next();
    return batch?.images.map(({ image }) => image);
  };
  const late = await positions(2 ** 31 + 5);
  assert.equal(late?.length, 4);
  assert.deepEqual(await positions(2 ** 31 + 5), late);
  const orders = new Set<string>();
  for (const epoch of [5, 2 ** 31 + 5, 2 ** 31 + 6, 2 ** 31 + 7]) orders.add(`${await positions(epoch)}`);
  assert.ok(orders.size > 1, 'late epochs are shuffled anew');
  loader.close();
});
