/** `npm run setup`: everything between a fresh clone and a working command. Does nothing twice. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { ensureLibtorch } from './setup/libtorch.mjs';
import { step, stop } from './setup/log.mjs';
import { buildNative, root } from './setup/native.mjs';
import { ensureSystem } from './setup/system.mjs';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19))
  stop(`Node 20.19 or newer is needed but this is ${process.version}`);
if (process.platform !== 'linux' || process.arch !== 'x64')
  stop(`Linux on x64 is needed but this is ${process.platform} on ${process.arch}`);

function ensurePackages() {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const installed = join(root, 'node_modules/.hdtrain-lock');
  if (existsSync(installed) && readFileSync(installed, 'utf8') === lock) return;
  step('installing npm packages');
  const result = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (result.status !== 0) stop(`npm ci failed:\n${result.stderr}`);
  writeFileSync(installed, lock);
}

ensureSystem();
ensurePackages();
buildNative(await ensureLibtorch(), { tests: process.argv.includes('--tests') });
const { buildTypeScript } = await import('./setup/typescript.mjs');
buildTypeScript();
