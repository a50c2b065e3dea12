/** Forty minutes of trouble (HDTRAIN_SOAK_MINUTES). */
import { rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { temporaryFolder } from '../faults/command.ts';
import { soak } from '../faults/soak.ts';

const minutes = Number(process.env.HDTRAIN_SOAK_MINUTES ?? 40);
const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

test(`${minutes} minutes of trouble`, { timeout: (minutes + 30) * 60_000 }, async (context) => {
  await soak(minutes, Number(process.env.HDTRAIN_SOAK_SEED ?? 2), folder, (text) => context.diagnostic(text));
});
