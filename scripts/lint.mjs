/** Biome on TypeScript and scripts, clang-format on C++. `--fix` changes files. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { root } from './setup/native.mjs';

const fix = process.argv.includes('--fix');
const sources = spawnSync('git', ['ls-files', '*.cpp', '*.h'], { cwd: root, encoding: 'utf8' })
  .stdout.trim()
  .split('\n');
const biome = spawnSync(
  join(root, 'node_modules/.bin/biome'),
  ['check', ...(fix ? ['--write'] : ['--error-on-warnings']), '.'],
  { cwd: root, stdio: 'inherit' },
);
const found = spawnSync('clang-format', ['--version'], { encoding: 'utf8' });
let clang = 0;
if (found.status === 0) {
  clang =
    spawnSync('clang-format', fix ? ['-i', ...sources] : ['--dry-run', '--Werror', ...sources], {
      cwd: root,
      stdio: 'inherit',
    }).status ?? 1;
} else {
  process.stderr.write(
    'clang-format is not installed: C++ was not checked (sudo apt-get install -y clang-format)\n',
  );
  clang = process.env.CI === 'true' ? 1 : 0;
}
process.exitCode = biome.status || clang ? 1 : 0;
