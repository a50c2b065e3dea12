/** Native tests under AddressSanitizer and UndefinedBehaviorSanitizer, in a build of their own. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { findLibtorch } from '../setup/libtorch.mjs';
import { step, stop } from '../setup/log.mjs';
import { root } from '../setup/native.mjs';
import { doctests } from './runners.mjs';

/** Builds and runs the tests of these folders of native/. */
export function sanitized(folders, options = 'detect_leaks=1') {
  const tests = folders.map((folder) => `native_${folder}`);
  return doctests(
    buildSanitized(tests),
    { ASAN_OPTIONS: options, UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1' },
    tests,
  );
}

/** Builds these targets of CMake and returns the folder that they lie in. */
export function buildSanitized(targets) {
  const folder = join(root, 'native/.build/sanitize');
  const env = { CCACHE_BASEDIR: root, ...process.env };
  step(`building ${targets.join(', ')} under ASan and UBSan`);
  const run = (...args) => {
    const result = spawnSync('cmake', args, { env, encoding: 'utf8', maxBuffer: 1 << 28 });
    if (result.status !== 0)
      stop(`the sanitized build failed:\n${result.stdout.slice(-4000)}\n${result.stderr.slice(-2000)}`);
  };
  const options = [
    `-DLIBTORCH=${findLibtorch().folder}`,
    '-DHDTRAIN_TESTS=ON',
    '-DHDTRAIN_SANITIZE=address,undefined',
    '-DHDTRAIN_UNITY=ON',
  ];
  run('-S', join(root, 'native'), '-B', folder, '-G', 'Ninja', ...options);
  run('--build', folder, '--parallel', '2', '--target', ...targets);
  return folder;
}
