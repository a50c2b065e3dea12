import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { run, start, temporaryFolder, writeRecipe } from '../../faults/command.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const config = writeRecipe(folder);
const short = ['--set', 'train.epochs=1'];

describe('where it writes', () => {
  test('without --run: runs/<recipe>-<n> under the current folder, counted up', () => {
    for (const n of [1, 2]) {
      const end = run(['--config', config, ...short], folder);
      assert.equal(end.status, 0, end.stderr);
      assert.ok(existsSync(join(folder, 'runs', `tiny-${n}`, 'student.safetensors')), end.stdout);
    }
  });
  test('--run may name a folder that is not there yet', () => {
    const deep = join(folder, 'a', 'b', 'c');
    assert.equal(run(['train', '--config', config, '--run', deep, ...short]).status, 0);
    assert.ok(existsSync(join(deep, 'student.safetensors')));
  });
  test('a file in its place is refused', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    assert.equal(run(['--config', config, '--run', file, ...short]).status, 2);
  });
});

describe('what it says', () => {
  test('people: steps, the evaluation, and what to type next', () => {
    const end = run(['--config', config, '--run', join(folder, 'people'), ...short]);
    assert.match(end.stdout, /from scratch/);
    assert.match(end.stdout, /AP \d\.\d{3} {2}AP50 \d\.\d{3}/);
    assert.match(end.stdout, /npx hdtrain predict --weights/);
    assert.match(end.stdout, /npx hdtrain eval --config/);
  });
  test('machines: one JSON object a line, as in metrics.jsonl', () => {
    const into = join(folder, 'machines');
    const end = run(['--config', config, '--run', into, '--json', ...short]);
    const lines = end.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(lines[0].type, 'start');
    assert.equal(lines.at(-1).type, 'end');
    const kept = readFileSync(join(into, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const steps = (list: { type: string; step?: number }[]) =>
      list.filter(({ type }) => type === 'step').map(({ step }) => step);
    assert.deepEqual(steps(lines), steps(kept));
    assert.deepEqual(steps(kept), [1, 2, 3]);
  });
});

describe('--resume', () => {
  test('auto starts, goes on after a signal, and ends with the weights of an undisturbed run', async () => {
    const disturbed = join(folder, 'disturbed'),
      quiet = join(folder, 'quiet');
    const epochs = ['--set', 'train.epochs=6'];
    const first = start(['--config', config, '--run', disturbed, '--resume', 'auto', ...epochs]);
    const steps = join(disturbed, 'metrics.jsonl');
    while (!existsSync(steps) || !readFileSync(steps, 'utf8').includes('"type":"step"'))
      await new Promise((resolve) => setTimeout(resolve, 20));
    first.child.kill('SIGINT');
    const stopped = await first.done;
    assert.ok(stopped.status === 75 || stopped.status === 0, stopped.stderr);
    assert.equal(run(['--config', config, '--run', disturbed, '--resume', 'auto', ...epochs]).status, 0);
    assert.equal(run(['--config', config, '--run', quiet, ...epochs]).status, 0);
    const of = (run: string) => readFileSync(join(run, 'student.safetensors'));
    assert.ok(of(disturbed).equals(of(quiet)));
  });
  test('a checkpoint folder can be named; one that is none is refused', () => {
    const quiet = join(folder, 'named');
    assert.equal(run(['--config', config, '--run', quiet, ...short]).status, 0);
    const latest = readFileSync(join(quiet, 'checkpoints', 'latest'), 'utf8').trim();
    const from = join(quiet, 'checkpoints', latest);
    const branch = run(['--config', config, '--run', join(folder, 'branch'), '--resume', from, ...short]);
    assert.equal(branch.status, 0, branch.stderr);
    mkdirSync(join(folder, 'bare'), { recursive: true });
    const none = run([
      '--config',
      config,
      '--run',
      join(folder, 'other'),
      '--resume',
      join(folder, 'bare'),
      ...short,
    ]);
    assert.notEqual(none.status, 0);
    assert.match(none.stderr, /bare/);
  });
});

test('--threads is a field of the recipe that is kept', () => {
  const into = join(folder, 'threads');
  assert.equal(run(['--config', config, '--run', into, '--threads', '2', ...short]).status, 0);
  assert.match(readFileSync(join(into, 'recipe.yaml'), 'utf8'), /threads: 2/);
  for (const threads of ['0', '-1', 'all', '1.5'])
    assert.equal(
      run(['--config', config, '--run', join(folder, 'no'), '--threads', threads]).status,
      2,
      threads,
    );
});
