/** Signals, threads and callbacks: how a run ends that somebody or something else ends (faults 24, 28 to 31, 34 and 45). */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { native } from '../../lib/native.ts';
import { start, temporaryFolder, tinyRecipe, writeRecipe } from './command.ts';
import { errorOf, tells } from './sentences.ts';
import { train } from './train.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const recipe = writeRecipe(folder);

describe('24: signals', () => {
  /** A run that saves nothing before it is interrupted, and then, `stall`, hangs a minute in it. */
  async function interrupted(into: string, again: { after: number; stall: boolean }) {
    const set = ['train.epochs=2000', 'eval.every=0', 'checkpoint={epochs: 0, seconds: 0, keep: 2}'];
    if (again.stall) set.push('debug.fault={point: save.before_rename, action: stall, seconds: 60}');
    const { child, done } = start([
      ...['--config', recipe, '--run', into],
      ...set.flatMap((one) => ['--set', one]),
    ]);
    let second = Number.NaN;
    child.stderr?.on('data', async (text: Buffer) => {
      if (!text.includes('again to stop at once')) return;
      await sleep(again.after);
      second = performance.now();
      child.kill('SIGINT');
    });
    while (!existsSync(join(into, 'metrics.jsonl'))) await sleep(50);
    child.kill('SIGINT');
    const end = await done;
    return { ...end, seconds: (performance.now() - second) / 1000 };
  }
  const latest = (into: string) => join(into, 'checkpoints/latest');

  test('a second one ends at once, whatever the process is at; what is on the disk is whole', async () => {
    const into = join(folder, 'twice');
    const end = await interrupted(into, { after: 5000, stall: true });
    assert.equal(end.status, 75, end.stderr);
    // The disk hangs for a minute.
    assert.ok(end.seconds < 10, `it took ${end.seconds} s`);
    assert.equal(existsSync(latest(into)), false);
    const again = await train(recipe, into, { set: ['train.steps=2', 'train.epochs=null'] });
    assert.equal(again.result?.status, 'done');
  });
  test('one that comes twice at once, as under npx, counts once: the run is saved', async () => {
    const into = join(folder, 'npx');
    const end = await interrupted(into, { after: 20, stall: false });
    assert.equal(end.status, 75, end.stderr);
    assert.match(end.stdout, /saved; go on with/);
    const name = readFileSync(latest(into), 'utf8').trim();
    assert.ok(existsSync(join(into, 'checkpoints', name, 'state.json')));
  });
});

describe('28: a recipe that changed under a run', () => {
  const into = join(folder, 'edited');
  test('what decides the weights is refused, what does not is taken', async () => {
    const first = await train(recipe, into, { set: ['train.steps=2', 'train.epochs=null'] });
    assert.equal(first.result?.status, 'done');
    rmSync(join(into, 'student.safetensors'));
    const changed = await train(recipe, into, {
      set: ['train.steps=2', 'train.epochs=null', 'train.lr=0.5'],
    });
    tells(changed.error, 'HD_RUN_RECIPE_CHANGED', 'train.lr = 0.5 (was 0.01)');
    const allowed = [
      'train.steps=2',
      'train.epochs=null',
      'log.every=2',
      'checkpoint.keep=1',
      'data.workers=1',
    ];
    assert.equal((await train(recipe, into, { set: allowed })).result?.status, 'done');
  });
});

describe('29, 45: what is thrown elsewhere', () => {
  test('by a hook: the run ends with that very error, its stack and its checkpoint', async () => {
    const into = join(folder, 'hook');
    class Mine extends Error {}
    const hook = {
      name: 'mine',
      afterStep(context: { step: number }) {
        if (context.step === 4) throw new Mine('of my own');
      },
    };
    const error = await errorOf(() => train(recipe, into, { hooks: [hook] }));
    assert.ok(error instanceof Mine);
    assert.match(error.stack ?? '', /processes\.test\.ts/);
    assert.ok(existsSync(join(into, 'checkpoints/latest')));
  });
  test('by a decode thread: the error names the picture and keeps the JavaScript stack', async () => {
    const set = await native().openDataset({ format: 'files', files: [join(folder, 'none.png')] });
    const loader = new (native().Loader)(set, {
      evaluate: true,
      onBadSample: 'stop',
      canvas: { fixed: [32, 32] },
    });
    try {
      loader.begin(0, 0);
      const error = await errorOf(() => loader.next());
      tells(error, 'HD_DATA_IMAGE', 'none.png');
      assert.match((error as Error).stack ?? '', /processes\.test\.ts/);
    } finally {
      loader.close();
    }
  });
});

test('30: a stalled disk delays a run and does not change it; the end is not held up', async () => {
  const [into, calm] = [join(folder, 'stall'), join(folder, 'calm')];
  const set = ['train.steps=3', 'train.epochs=null'];
  const fault = '{point: save.begin, action: stall, seconds: 0.4, times: 3}';
  const began = performance.now();
  const slow = await train(recipe, into, { set, fault });
  assert.equal(slow.result?.status, 'done');
  assert.ok(performance.now() - began > 800);
  await train(recipe, calm, { set });
  const weights = (path: string) => readFileSync(join(path, 'student.safetensors'));
  assert.ok(weights(into).equals(weights(calm)));
});

test('30: threads that stall while they decode delay a run and do not change it', async () => {
  const [into, calm] = [join(folder, 'slow-pictures'), join(folder, 'quick-pictures')];
  const set = ['train.steps=3', 'train.epochs=null', 'data.workers=1'];
  const began = performance.now();
  const slow = await train(recipe, into, {
    set,
    fault: '{point: decode, action: stall, seconds: 0.4, times: 3, step: 1}',
  });
  assert.equal(slow.result?.status, 'done');
  assert.ok(performance.now() - began > 1200);
  await train(recipe, calm, { set });
  const weights = (path: string) => readFileSync(join(path, 'student.safetensors'));
  assert.ok(weights(into).equals(weights(calm)));
});

describe('31: numbers that are not finite', () => {
  test('stop: the term, the step, the pictures and what to do', async () => {
    const { error } = await train(recipe, join(folder, 'nan'), {
      fault: '{point: step, action: nan, step: 2}',
    });
    tells(error, 'HD_DIVERGED', 'images ');
    assert.equal(error?.exitCode, 5);
    assert.match(error?.message ?? '', /loss term '\w+' is nan at step 2/);
  });
  test('rollback without a checkpoint is a skip, and so is every step before', async () => {
    const { result, events } = await train(recipe, join(folder, 'early'), {
      fault: '{point: step, action: nan}',
      set: ['train.onDiverged=rollback', 'train.steps=2', 'train.epochs=null'],
    });
    assert.equal(result?.status, 'done');
    const diverged = events.filter((event) => event.type === 'diverged');
    assert.deepEqual(
      diverged.map(({ action, inARow }) => [action, inARow]),
      [['skip', 1]],
    );
  });
});

test('34: memory that no cut can save is an error of its own, with the settings to lower', async () => {
  const text = tinyRecipe.replace('batch: 4', 'batch: 1').replace('accumulate: 2', 'accumulate: 1');
  const { error } = await train(writeRecipe(folder, text, 'one.yaml'), join(folder, 'memory'), {
    fault: '{point: step, action: memory}',
  });
  tells(error, 'HD_MEMORY', 'data.size');
});
