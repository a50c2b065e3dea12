/**
 * `npm run fuzz`: damaged inputs on every reader of files that may come from anyone, under ASan and UBSan.
 *
 *   npm run fuzz                                    20 000 inputs of each target, and of recipes
 *   npm run fuzz -- --target png --count 100000     one target, another number
 *   npm run fuzz -- --target png --seed 2 --first 531 --count 1     one input again
 *   npm run fuzz -- --target png --input file       a file that somebody sent
 */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { step } from './setup/log.mjs';
import { root } from './setup/native.mjs';
import { buildSanitized } from './test/sanitize.mjs';

const { values } = parseArgs({
  options: Object.fromEntries(
    ['target', 'count', 'seed', 'first', 'input'].map((name) => [name, { type: 'string' }]),
  ),
});
const chosen = { count: '20000', ...values };
if (chosen.input) chosen.input = resolve(process.env.INIT_CWD ?? '.', chosen.input);
const run = (program, args, env) => {
  const result = spawnSync(program, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  return result.status === 0;
};

let sound = true;
if (chosen.target !== 'recipe') {
  const folder = buildSanitized(['fuzz']);
  step(`${chosen.count} inputs a target under ASan and UBSan`);
  sound = run(
    join(folder, 'fuzz'),
    Object.entries(chosen).flatMap(([name, value]) => [`--${name}`, value]),
    {
      ASAN_OPTIONS: 'detect_leaks=1:max_allocation_size_mb=1024',
      UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
    },
  );
}
if (chosen.target === undefined || chosen.target === 'recipe') {
  step(`${chosen.count} recipes`);
  const env = { HDTRAIN_FUZZ_INPUTS: chosen.count, HDTRAIN_FUZZ_SEED: chosen.seed ?? '1' };
  sound = run(process.execPath, ['--import', 'tsx', '--test', 'test/unit/recipe/fuzz.test.ts'], env) && sound;
}
process.exitCode = sound ? 0 : 1;
