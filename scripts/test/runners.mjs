/** Runs one kind of tests and counts: { passed, failed, skipped, notes }. Output of what failed is shown, the rest is not. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { buildFolder, root } from '../setup/native.mjs';

/** A hang is a failure, not a wait: milliseconds that one kind of tests may take. */
const limit = 35 * 60_000;

const none = () => ({ passed: 0, failed: 0, skipped: 0, notes: [] });

export function add(total, part) {
  total.passed += part.passed;
  total.failed += part.failed;
  total.skipped += part.skipped;
  total.notes.push(...part.notes);
}

function testFiles(folder) {
  const path = join(root, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => join(path, name));
}

/** node:test files below the folders, each in a process of its own. */
export function nodeTests(folders, env = {}, timeout = limit) {
  const files = folders.flatMap(testFiles);
  const result = none();
  if (files.length === 0) return result;
  const scratch = mkdtempSync(join(tmpdir(), 'hdtrain-tap-'));
  const written = join(scratch, 'tap');
  const reporters = [
    `--test-reporter=${join(root, 'scripts/test/progress.mjs')}`,
    '--test-reporter-destination=stdout',
    '--test-reporter=tap',
    `--test-reporter-destination=${written}`,
  ];
  const args = ['--import', 'tsx', '--test', ...reporters, '--test-concurrency=2', ...files];
  const run = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'inherit', 'pipe'],
    maxBuffer: 1 << 28,
    timeout,
    env: { ...process.env, ...env },
  });
  const tap = existsSync(written) ? readFileSync(written, 'utf8') : '';
  rmSync(scratch, { recursive: true, force: true });
  if (run.error) process.stdout.write(`tests were stopped: ${run.error.message}\n${tap.slice(-2000)}\n`);
  const number = (name) => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(tap)?.[1] ?? 0);
  result.passed = number('pass');
  result.failed = number('fail') + number('cancelled');
  result.skipped = number('skipped') + number('todo');
  if (run.status !== 0 && result.failed === 0) result.failed = 1;
  if (result.failed > 0) process.stdout.write(failures(tap, run.stderr));
  for (const [, name, why] of tap.matchAll(/^\s*ok \d+ - (.*) # SKIP(.*)$/gm))
    result.notes.push(`${name}:${why}`);
  return result;
}

/** The parts of a TAP stream around `not ok`. */
function failures(tap, errors) {
  const lines = tap.split('\n');
  const keep = new Set();
  for (const [i, line] of lines.entries()) {
    if (/^\s*not ok/.test(line)) for (let j = i; j < Math.min(lines.length, i + 30); ++j) keep.add(j);
  }
  return `${[...keep].map((i) => lines[i]).join('\n')}\n${errors.split('\n').slice(0, 40).join('\n')}\n`;
}

/** Built doctest binaries in a build folder: these, or all (native_*). */
export function doctests(folder = buildFolder, env = {}, names = null) {
  const result = none();
  const built = readdirSync(folder).filter((entry) => /^native_[a-z]+$/.test(entry));
  for (const name of names ?? built.sort()) {
    const start = performance.now();
    const run = spawnSync(join(folder, name), [], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      env: { ...process.env, ...env },
    });
    const counts =
      /test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed\s*(?:\|\s*(\d+) skipped)?/.exec(
        run.stdout,
      );
    process.stdout.write(`  ${name}, ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
    result.passed += Number(counts?.[2] ?? 0);
    result.failed += Number(counts?.[3] ?? 0);
    result.skipped += Number(counts?.[4] ?? 0);
    if (run.status !== 0) {
      if (!counts || Number(counts[3]) === 0) result.failed += 1;
      process.stdout.write(
        `${name} failed (${run.signal ?? run.status}):\n${run.stdout.slice(-6000)}\n${run.stderr.slice(-6000)}\n`,
      );
    }
  }
  return result;
}

const defaultGoldens = join(root, '../shared/goldens');

/** Golden values: native readers and TypeScript readers; a fixture without a reader is one counted skip. */
export function goldens(folder = buildFolder) {
  const result = none();
  const chosen = process.env.HDTRAIN_GOLDENS ?? defaultGoldens;
  const files = existsSync(chosen)
    ? readdirSync(chosen, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json'))
    : [];
  if (files.length === 0) {
    const strict = process.env.CI === 'true' || process.env.HDTRAIN_GOLDENS !== undefined;
    result[strict ? 'failed' : 'skipped'] = 1;
    result.notes.push(`golden tests: NOT RUN, no golden files in ${chosen}; set HDTRAIN_GOLDENS`);
    return result;
  }
  const read = new Set(['ld/schedule']);
  for (const name of readdirSync(folder)
    .filter((entry) => /^golden_[a-z]+$/.test(entry))
    .sort()) {
    const listed = spawnSync(join(folder, name), ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n');
    for (const fixture of listed) read.add(fixture);
    if (!listed.some((fixture) => files.includes(`${fixture}.json`))) continue;
    const run = spawnSync(join(folder, name), [], { encoding: 'utf8', maxBuffer: 1 << 28 });
    for (const [, state, what] of run.stdout.matchAll(/^golden (ok|FAIL|skip) (.*)$/gm)) {
      result[state === 'ok' ? 'passed' : state === 'FAIL' ? 'failed' : 'skipped'] += 1;
      if (state === 'skip') result.notes.push(`golden ${what}`);
    }
    if (run.status !== 0) process.stdout.write(`${name}:\n${run.stderr.slice(0, 6000)}\n`);
    if (run.status !== 0 && !/^golden FAIL/m.test(run.stdout)) result.failed += 1;
  }
  // COCO files that an expectation refers to are no fixtures of their own.
  const neighbour = /_(gt|dt)_\w+\.json$/;
  for (const file of files.filter(
    (name) => !neighbour.test(name) && !read.has(name.replace(/\.json$/, '')),
  )) {
    result.skipped += 1;
    result.notes.push(`golden ${file}: no reader yet`);
  }
  add(result, nodeTests(['test/golden']));
  return result;
}
