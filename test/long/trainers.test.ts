/** 200 trainers in worker threads, created and terminated: memory, threads and descriptors stay as they were. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { temporaryFolder } from '../faults/command.ts';
import { comeAndGo, held } from '../faults/trainers.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

const recipe = {
  model: { backbone: 'resnet18', neckChannels: 32, headChannels: 32, headConvs: 1 },
  data: { format: 'synthetic', size: 64, seed: 3, train: { count: 4 } },
  train: { steps: 3, batch: 2, threads: 1 },
  log: { every: 1 },
};
const trainers = Number(process.env.HDTRAIN_TRAINERS ?? 200);

test(`${trainers} trainers leave nothing behind`, { timeout: 3_600_000 }, async (context) => {
  const into = join(folder, 'runs');
  const round = async (name: string, count: number) => {
    await comeAndGo(recipe, join(into, name), 0, count);
    rmSync(join(into, name), { recursive: true, force: true });
    return held();
  };
  // The allocator and libtorch keep what they once had: the first tenth shows how much that is.
  const before = await round('warm', Math.max(2, trainers / 10));
  const after = await round('all', trainers);
  context.diagnostic(JSON.stringify({ before, after }));
  assert.ok(after.threads <= before.threads + 1, `${before.threads} threads became ${after.threads}`);
  assert.ok(after.descriptors <= before.descriptors + 1, `${before.descriptors} became ${after.descriptors}`);
  const each = (after.memory - before.memory) / trainers;
  assert.ok(each < 300e3, `${Math.round(each / 1000)} kB were left by each trainer`);
});
