/** Builds the addon (and, for tests, the native test binaries) with cmake-js; nothing when no input has changed. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { step, stop } from './log.mjs';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const buildFolder = join(root, 'native/.build/addon');
const stamp = join(buildFolder, 'inputs.sha256');

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      if (entry.name.startsWith('.')) return [];
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesBelow(path) : [path];
    })
    .sort();
}

/** Digest of everything that decides about the binaries. */
export function inputDigest(libtorch, tests) {
  const hash = createHash('sha256');
  const folders = tests ? ['native', 'test/native', 'test/golden'] : ['native'];
  for (const file of folders.flatMap((folder) =>
    existsSync(join(root, folder)) ? filesBelow(join(root, folder)) : [],
  )) {
    hash.update(file.slice(root.length)).update(readFileSync(file));
  }
  return hash.update(`${libtorch} ${process.versions.modules} ${tests}`).digest('hex');
}

/** @param {{ folder: string }} libtorch @param {{ tests?: boolean }} options */
export function buildNative(libtorch, { tests = false } = {}) {
  const [own, all] = [false, true].map((withTests) => inputDigest(libtorch.folder, withTests));
  const done = existsSync(stamp) ? readFileSync(stamp, 'utf8').split('\n') : [];
  const addon = join(buildFolder, 'Release/hdtrain.node');
  if (existsSync(addon) && done.includes(tests ? all : own)) return;
  step(`building the native ${tests ? 'addon and tests' : 'addon'} (some minutes the first time)`);
  const require = createRequire(join(root, 'package.json'));
  const cmakeJs = join(require.resolve('cmake-js/package.json'), '../bin/cmake-js');
  const addonApi = join(require.resolve('node-addon-api/package.json'), '..');
  // A file that includes torch takes up to 1.5 GB to compile.
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 2e9)));
  mkdirSync(buildFolder, { recursive: true });
  rmSync(stamp, { force: true });
  // From nothing in batches of files; a folder that is built already keeps its ways (CMake would compile all of it anew).
  const fresh = !existsSync(join(buildFolder, 'CMakeCache.txt'));
  const definitions = {
    ...(fresh && { HDTRAIN_UNITY: process.env.HDTRAIN_UNITY ?? 'ON' }),
    LIBTORCH: libtorch.folder,
    NODE_ADDON_API_DIR: addonApi,
    HDTRAIN_TESTS: tests ? 'ON' : 'OFF',
    HDTRAIN_DIGEST: own.slice(0, 16),
  };
  const args = [
    'configure',
    '--directory',
    join(root, 'native'),
    '--out',
    buildFolder,
    '--log-level',
    'error',
  ];
  for (const [name, value] of Object.entries(definitions)) args.push(`--CD${name}=${value}`);
  const env = { CCACHE_BASEDIR: root, ...process.env };
  const run = (program, list) =>
    spawnSync(program, list, {
      env,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  let result = run(process.execPath, [cmakeJs, ...args]);
  // 'cmake-js compile' would not configure again when only definitions have changed.
  if (result.status === 0)
    result = run('cmake', ['--build', buildFolder, '--config', 'Release', '--parallel', String(jobs)]);
  if (result.status !== 0 || !existsSync(addon)) {
    const text = `${result.stdout}\n${result.stderr}`.split('\n');
    const errors = text.filter((line) => /error|undefined reference|No such file/i.test(line)).slice(0, 20);
    writeFileSync(join(buildFolder, 'build.log'), text.join('\n'));
    stop(
      `the native build failed:\n${errors.join('\n')}\nAll of it: ${join(buildFolder, 'build.log')}. 'npx hdtrain doctor' shows what this machine has.`,
    );
  }
  writeFileSync(stamp, (tests ? [own, all] : [own]).join('\n'));
}
