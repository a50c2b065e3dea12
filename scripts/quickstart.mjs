/** `npm run quickstart`: set up what is missing, train on synthetic shapes, show the result. Again: trains anew. */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import './setup.mjs';
import { root } from './setup/native.mjs';

const run = join(root, 'runs/quickstart');
// An interrupted run goes on; a finished one makes room.
if (existsSync(join(run, 'student.safetensors'))) rmSync(run, { recursive: true });
const result = spawnSync(
  process.execPath,
  [
    join(root, 'dist/cli/main.js'),
    'train',
    '--config',
    join(root, 'configs/quickstart.yaml'),
    '--run',
    run,
    '--resume',
    'auto',
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit' },
);
process.exitCode = result.status ?? 1;
