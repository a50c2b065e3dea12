/**
 * `npm run soak -- --minutes 40 --seed 7`: a run that is killed, terminated, starved of disk and stalled at random, and must
 * end with the weights of the undisturbed one. A failure names its seed.
 */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { root } from './setup/native.mjs';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '40' }, seed: { type: 'string', default: '1' } },
});
const result = spawnSync(process.execPath, ['--import', 'tsx', '--test', 'test/faults/soak.test.ts'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, HDTRAIN_SOAK_MINUTES: values.minutes, HDTRAIN_SOAK_SEED: values.seed },
});
process.exitCode = result.status ?? 1;
