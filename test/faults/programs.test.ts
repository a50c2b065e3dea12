/** Programs of others that train: their Ctrl-C is theirs (fault 44). */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder, writeRecipe } from './command.ts';
import { train } from './train.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const recipe = writeRecipe(folder);
const library = new URL('../../dist/index.js', import.meta.url).href;
const trainer = (into: string, set: string[]) =>
  `new Trainer(loadRecipe(${JSON.stringify(recipe)}, ${JSON.stringify({ set })}), { run: ${JSON.stringify(into)} })`;

/** Starts the program, sends SIGINT once its run has begun to train, and returns how it ended. */
async function interrupt(name: string, into: string, text: string) {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, `import { loadRecipe, Trainer } from ${JSON.stringify(library)};\n${text}`);
  const child = spawn(process.execPath, [path]);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (more) => (stdout += more));
  child.stderr.on('data', (more) => (stderr += more));
  const done = new Promise<{ status: number | null; signal: string | null }>((resolve) =>
    child.on('close', (status, signal) => resolve({ status, signal })),
  );
  while (!existsSync(join(into, 'metrics.jsonl')) && child.exitCode === null) await sleep(20);
  child.kill('SIGINT');
  return { ...(await done), stdout, stderr };
}

describe('44: Ctrl-C of a program that uses Trainer', () => {
  test('44: its own handler is called, alone, and decides: the run goes on to its end', async () => {
    const into = join(folder, 'own');
    const end = await interrupt(
      'own',
      into,
      `let calls = 0;
process.on('SIGINT', () => { calls += 1; });
const { status } = await ${trainer(into, ['train.epochs=1'])}.run();
console.log(status, calls, process.listenerCount('SIGINT'), process.listenerCount('SIGTERM'));`,
    );
    assert.deepEqual([end.status, end.stdout], [0, 'done 1 1 0\n'], end.stderr);
  });
  test('44: a handler that aborts the run has it saved, and the program goes on', async () => {
    const into = join(folder, 'abort');
    const end = await interrupt(
      'abort',
      into,
      `const abort = new AbortController();
process.once('SIGINT', () => abort.abort());
const trainer = ${trainer(into, ['train.epochs=500']).replace(/ \}\)$/, ', signal: abort.signal })')};
console.log((await trainer.run()).status);
console.log('and on');`,
    );
    assert.deepEqual([end.status, end.stdout], [0, 'interrupted\nand on\n'], end.stderr);
    assert.ok(existsSync(join(into, 'checkpoints/latest')));
  });
  test('44: without a handler the signal ends it, as any program; the folder is free and the run goes on', async () => {
    const into = join(folder, 'none');
    const end = await interrupt('none', into, `await ${trainer(into, [])}.run();`);
    assert.deepEqual([end.status, end.signal], [null, 'SIGINT'], end.stderr);
    assert.equal((await train(recipe, into)).result?.status, 'done');
  });
});

const terminal = spawnSync('script', ['--version']).status === 0;

test('44: Ctrl-C in a REPL gives the prompt back, and the run goes on behind it', {
  skip: terminal ? false : "'script' (bsdutils) is not installed, which makes a terminal",
  timeout: 120_000,
}, async () => {
  const into = join(folder, 'repl');
  const child = spawn('script', ['-qec', `${process.execPath} --no-warnings`, '/dev/null'], {
    env: { ...process.env, TERM: 'dumb', NODE_REPL_HISTORY: '' },
  });
  let stdout = '';
  child.stdout.on('data', (more) => (stdout += more));
  const done = new Promise<number | null>((resolve) => child.on('close', resolve));
  const until = async (pattern: RegExp) => {
    for (let tries = 0; !pattern.test(stdout); ++tries) {
      assert.ok(tries < 1000 && child.exitCode === null, stdout);
      await sleep(50);
    }
  };
  try {
    await until(/> $/);
    child.stdin.write(`const { loadRecipe, Trainer } = await import(${JSON.stringify(library)})\n`);
    child.stdin.write(`const run = ${trainer(into, ['train.epochs=2'])}.run(); await run\n`);
    while (!existsSync(join(into, 'metrics.jsonl'))) {
      assert.equal(child.exitCode, null, stdout);
      await sleep(20);
    }
    child.stdin.write('\x03');
    await until(/Script execution was interrupted/);
    child.stdin.write(`'ended ' + (await run).status\n`);
    await until(/'ended done'/);
    child.stdin.write('.exit\n');
    assert.equal(await done, 0, stdout);
  } finally {
    child.kill('SIGKILL');
  }
});
