/** A part of the soak: three minutes in CI; `npm run soak -- --minutes 40` and test/long take longer. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { temporaryFolder } from './command.ts';
import { growth, soak } from './soak.ts';

const minutes = Number(process.env.HDTRAIN_SOAK_MINUTES ?? (process.env.CI ? 3 : 0.3));
const seed = Number(process.env.HDTRAIN_SOAK_SEED ?? 1);
const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

test('50: a run in trouble again and again ends with the weights of the undisturbed one', {
  timeout: (minutes + 20) * 60_000,
}, async (context) => {
  await soak(minutes, seed, folder, (text) => context.diagnostic(text));
});

test('growth is 0 for a flat curve and the rise over the mean for a line', () => {
  assert.equal(growth([5, 5, 5]), 0);
  assert.equal(growth([7]), 0);
  assert.ok(Math.abs(growth([1, 2, 3, 4]) - 4 / 2.5) < 1e-12);
});
