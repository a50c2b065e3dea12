/**
 * `npm test`: everything that runs within CI. `node scripts/test.mjs unit native golden faults types` picks parts; `fuzz`
 * (damaged files under ASan and UBSan, whose build takes minutes) is one of them where CI=true. `sanitize` (the torch-free
 * tests under both), `sanitize-torch` (the others) and `long` are never part of the default. Ends with a line `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';

const chosen = process.argv.slice(2);
const usual = ['types', 'native', 'golden', 'unit', 'faults'];
if (process.env.CI === 'true') usual.push('fuzz');
const parts = chosen.length > 0 ? chosen : usual;
const { root } = await import('./setup/native.mjs');
const setup = spawnSync(process.execPath, [join(root, 'scripts/setup.mjs'), '--tests'], { stdio: 'inherit' });
if (setup.status !== 0) process.exit(1);

const { add, doctests, goldens, nodeTests } = await import('./test/runners.mjs');
const { sanitized } = await import('./test/sanitize.mjs');

/** tsc over product and tests; expect-type assertions in test/types are checked by it. */
function types() {
  const run = spawnSync(
    process.execPath,
    [join(root, 'node_modules/typescript/lib/tsc.js'), '-p', join(root, 'test')],
    { encoding: 'utf8' },
  );
  if (run.status !== 0) process.stdout.write(run.stdout);
  return { passed: run.status === 0 ? 1 : 0, failed: run.status === 0 ? 0 : 1, skipped: 0, notes: [] };
}

const kinds = {
  types,
  native: () => doctests(),
  golden: () => goldens(),
  unit: () => nodeTests(['test/unit']),
  faults: () => nodeTests(['test/faults']),
  fuzz: () => sanitized(['fuzz']),
  sanitize: () => sanitized(['core', 'io', 'data', 'eval', 'fuzz']),
  // libtorch is not instrumented and keeps what it has made until the process ends.
  'sanitize-torch': () => sanitized(['ops', 'nn', 'detectors', 'distill', 'engine'], 'detect_leaks=0'),
  long: () => nodeTests(['test/long'], {}, 4 * 3600_000),
};

const total = { passed: 0, failed: 0, skipped: 0, notes: [] };
for (const part of parts) {
  const start = performance.now();
  const result = kinds[part]?.() ?? { passed: 0, failed: 1, skipped: 0, notes: [`unknown part '${part}'`] };
  add(total, result);
  process.stdout.write(
    `${part}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped in ${((performance.now() - start) / 1000).toFixed(1)} s\n`,
  );
}
for (const note of total.notes) process.stdout.write(`skipped ${note}\n`);
process.stdout.write(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}\n`,
);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
