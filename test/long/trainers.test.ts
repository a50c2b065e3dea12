/** 200 trainers in worker threads, created and terminated: memory, threads and descriptors stay as they were. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { temporaryFolder } from '../faults/command.ts';
import { growth } from '../faults/soak.ts';
import { comeAndGo, type Held, held } from '../faults/trainers.ts';

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
  const rounds: Held[] = [];
  for (let round = 0; round < 20; ++round) {
    const into = join(folder, `${round}`);
    await comeAndGo(recipe, into, 0, Math.ceil(trainers / 20));
    rmSync(into, { recursive: true, force: true });
    rounds.push(held());
  }
  context.diagnostic(rounds.map(({ memory }) => `${Math.round(memory / 1e6)} MB`).join(', '));
  const [first, last] = [rounds[0], rounds.at(-1)] as [Held, Held];
  assert.ok(last.threads <= first.threads + 1, `${first.threads} threads became ${last.threads}`);
  assert.ok(
    last.descriptors <= first.descriptors + 1,
    `${first.descriptors} descriptors became ${last.descriptors}`,
  );
  // The allocator keeps an arena for each of the threads that once lived side by side: flat once it has them all.
  const slope = growth(rounds.slice(5).map(({ memory }) => memory));
  assert.ok(slope < 0.12, `memory grew by ${(100 * slope).toFixed(0)} % over the last 15 rounds`);
});
