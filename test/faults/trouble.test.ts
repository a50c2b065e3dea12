/** Runs that meet trouble on purpose (`debug.fault`) and end as if nothing had happened, or say what did. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Finished, run, temporaryFolder, writeRecipe } from './command.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const recipe = writeRecipe(folder);
const calm = join(folder, 'calm');

const train = (into: string, fault: string | null, ...more: string[]): Finished => {
  const faults = fault === null ? [] : ['--set', `debug.fault=${fault}`];
  return run(['--config', recipe, '--run', into, '--resume', 'auto', ...faults, ...more]);
};
const weights = (into: string) => readFileSync(join(into, 'student.safetensors'));
const lines = (into: string) =>
  readFileSync(join(into, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

before(() => {
  const end = train(calm, null);
  assert.equal(end.status, 0, end.stderr);
});

describe('killed at every point of saving', () => {
  for (const point of [
    'save.begin',
    'save.before_rename',
    'save.after_rename',
    'save.end',
    'evaluate',
    'export',
  ]) {
    test(`${point}: the run that goes on ends bit-equal`, () => {
      const into = join(folder, `kill-${point}`);
      const step = point === 'evaluate' ? 6 : point === 'export' ? 9 : 5;
      const killed = train(into, `{point: ${point}, step: ${step}}`);
      assert.equal(killed.signal, 'SIGKILL', killed.stderr);
      const latest = join(into, 'checkpoints', 'latest');
      const name = readFileSync(latest, 'utf8').trim();
      assert.ok(existsSync(join(into, 'checkpoints', name, 'state.json')), 'latest names a whole checkpoint');
      const end = train(into, null);
      assert.equal(end.status, 0, end.stderr);
      assert.ok(weights(into).equals(weights(calm)));
      const left = readdirSync(into, { recursive: true, encoding: 'utf8' });
      assert.deepEqual(
        left.filter((entry) => entry.includes('.tmp-')),
        [],
      );
    });
  }
});

describe('a disk that takes nothing more', () => {
  test('training goes on, says so, and the weights are those of the undisturbed run', () => {
    const into = join(folder, 'full');
    const end = train(into, '{point: save.begin, action: disk-full, step: 2, times: 3}');
    assert.equal(end.status, 0, end.stderr);
    assert.match(end.stdout, /not saved at step 2 .*training goes on, the last checkpoint stays/);
    assert.ok(weights(into).equals(weights(calm)));
    const kept = readFileSync(join(into, 'checkpoints', 'latest'), 'utf8').trim();
    assert.ok(existsSync(join(into, 'checkpoints', kept, 'weights.safetensors')));
  });
  test('an error that is no trouble of the disk ends the run, and what was saved stays', () => {
    const into = join(folder, 'error');
    const end = train(into, '{point: save.begin, action: error, step: 4}');
    assert.equal(end.status, 70, end.stderr);
    assert.match(end.stderr, /HD_FAULT/);
    assert.equal(train(into, null).status, 0);
    assert.ok(weights(into).equals(weights(calm)));
  });
});

describe('a loss that is no number', () => {
  test('skip: the step is left out, everything else goes on', () => {
    const into = join(folder, 'skip');
    const end = train(
      into,
      '{point: step, action: nan, step: 3, times: 2}',
      '--set',
      'train.onDiverged=skip',
    );
    assert.equal(end.status, 0, end.stderr);
    assert.match(end.stdout, /step 4 was left out \(1 in a row\): the loss term/);
    const skipped = lines(into).filter(({ type }) => type === 'diverged');
    assert.deepEqual(
      skipped.map(({ step, inARow }) => [step, inARow]),
      [
        [4, 1],
        [5, 2],
      ],
    );
    assert.ok(!weights(into).equals(weights(calm)));
  });
  test('twenty in a row stop the run with exit code 5 and the batch', () => {
    const into = join(folder, 'twenty');
    const end = train(
      into,
      '{point: step, action: nan, step: 1, times: 1000}',
      ...['--set', 'train.onDiverged=skip', '--set', 'train.epochs=20'],
    );
    assert.equal(end.status, 5, end.stderr);
    assert.match(end.stderr, /20 steps in a row were not finite.*probe --dump/);
    assert.ok(existsSync(join(into, 'diverged', 'weights.safetensors')));
  });
  test('rollback: back to the latest checkpoint', () => {
    const into = join(folder, 'rollback');
    const end = train(into, '{point: step, action: nan, step: 4}', '--set', 'train.onDiverged=rollback');
    assert.equal(end.status, 0, end.stderr);
    assert.match(end.stdout, /back to the weights of step \d/);
  });
});

test('memory that runs out: the batch is cut finer, and stays cut after a resume', () => {
  const into = join(folder, 'memory');
  const first = train(into, '[{point: step, action: memory, step: 2}, {point: step, action: kill, step: 5}]');
  assert.equal(first.signal, 'SIGKILL');
  assert.match(first.stdout, /out of memory: .*batch of 4 is cut into 4 micro-batches instead of 2/);
  const end = train(into, null);
  assert.equal(end.status, 0, end.stderr);
  const whole = join(folder, 'memory-whole');
  assert.equal(train(whole, '{point: step, action: memory, step: 2}').status, 0);
  assert.ok(weights(into).equals(weights(whole)));
});

test('SIGTERM: the step is finished and saved; exit 75; the rest follows bit-equal', () => {
  const into = join(folder, 'terminate');
  const end = train(into, '{point: step, action: terminate, step: 4}');
  assert.equal(end.status, 75, end.stderr);
  assert.match(end.stdout, /--resume auto/);
  assert.equal(train(into, null).status, 0);
  assert.ok(weights(into).equals(weights(calm)));
});

test('early stop: the final weights are the best ones, and the run is finished', () => {
  const into = join(folder, 'early');
  const sets = ['train.earlyStop={patience: 1, minDelta: 1}', 'train.epochs=30'].flatMap((set) => [
    '--set',
    set,
  ]);
  const end = train(into, null, ...sets);
  assert.equal(end.status, 0, end.stderr);
  assert.match(end.stdout, /stopped early: 1 evaluations without more than/);
  const steps = lines(into).filter(({ type }) => type === 'step');
  assert.ok(steps.length < 90, `${steps.length} steps`);
  const before = weights(into);
  assert.equal(train(into, null, ...sets).status, 0);
  assert.ok(weights(into).equals(before));
});
