/** Runs that meet trouble on purpose (`debug.fault`) and end as if nothing had happened, or say what did. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { loadRecipe } from '../../lib/recipe/index.ts';
import { run, temporaryFolder, writeRecipe } from './command.ts';
import { metricsOf, train, weightsOf } from './train.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const recipe = writeRecipe(folder);
const calm = join(folder, 'calm');

/** A process of its own, for what ends processes. */
const command = (into: string, fault: string) =>
  run(['--config', recipe, '--run', into, '--resume', 'auto', '--set', `debug.fault=${fault}`]);
/** Goes on without trouble and must end with the weights of the undisturbed run. */
async function endsCalm(into: string): Promise<void> {
  const { error, result } = await train(recipe, into);
  assert.equal(error, undefined);
  assert.equal(result?.status, 'done');
  assert.ok(weightsOf(into).equals(weightsOf(calm)));
}

before(async () => {
  assert.equal((await train(recipe, calm)).result?.status, 'done');
});

describe('killed at every point of saving', () => {
  const points = ['save.begin', 'save.before_rename', 'save.after_rename', 'save.end', 'evaluate', 'export'];
  for (const point of points) {
    test(`${point}: the run that goes on ends bit-equal`, async () => {
      const into = join(folder, `kill-${point}`);
      const step = point === 'evaluate' ? 6 : point === 'export' ? 9 : 5;
      const killed = command(into, `{point: ${point}, step: ${step}}`);
      assert.equal(killed.signal, 'SIGKILL', killed.stderr);
      const latest = join(into, 'checkpoints', 'latest');
      const name = readFileSync(latest, 'utf8').trim();
      assert.ok(existsSync(join(into, 'checkpoints', name, 'state.json')), 'latest names a whole checkpoint');
      await endsCalm(into);
      const left = readdirSync(into, { recursive: true, encoding: 'utf8' });
      assert.deepEqual(
        left.filter((entry) => entry.includes('.tmp-')),
        [],
      );
    });
  }
});

describe('a disk that takes nothing more', () => {
  test('training goes on, says so, and the weights are those of the undisturbed run', async () => {
    const into = join(folder, 'full');
    const { result, said } = await train(recipe, into, {
      fault: '{point: save.begin, action: disk-full, step: 2}',
    });
    assert.equal(result?.status, 'done');
    assert.match(said, /not saved at step 3 .*training goes on, the last checkpoint stays/);
    assert.match(said, /saving works again: .* after 1 failure$/m);
    assert.ok(weightsOf(into).equals(weightsOf(calm)));
    const kept = readFileSync(join(into, 'checkpoints', 'latest'), 'utf8').trim();
    assert.ok(existsSync(join(into, 'checkpoints', kept, 'weights.safetensors')));
  });
  test('an error that is no trouble of the disk ends the run, and what was saved stays', async () => {
    const into = join(folder, 'error');
    const { error } = await train(recipe, into, { fault: '{point: save.begin, action: error, step: 4}' });
    assert.equal(error?.code, 'HD_FAULT');
    assert.equal(error?.exitCode, 70);
    await endsCalm(into);
  });
});

describe('a loss that is no number', () => {
  test('skip: the step is left out, everything else goes on', async () => {
    const into = join(folder, 'skip');
    const { result, said } = await train(recipe, into, {
      fault: '{point: step, action: nan, step: 3, times: 2}',
      set: ['train.onDiverged=skip'],
    });
    assert.equal(result?.status, 'done');
    assert.match(said, /loss/);
    const skipped = metricsOf(into).filter(({ type }) => type === 'diverged');
    assert.deepEqual(
      skipped.map(({ step, inARow }) => [step, inARow]),
      [
        [4, 1],
        [5, 2],
      ],
    );
    assert.ok(!weightsOf(into).equals(weightsOf(calm)));
  });
  test('twenty in a row stop the run with exit code 5 and the batch', async () => {
    const into = join(folder, 'twenty');
    const { error } = await train(recipe, into, {
      fault: '{point: step, action: nan, step: 1, times: 1000}',
      set: ['train.onDiverged=skip', 'train.epochs=20'],
    });
    assert.equal(error?.exitCode, 5);
    assert.match(error?.message ?? '', /20 steps in a row were not finite.*probe --dump/);
    assert.ok(existsSync(join(into, 'diverged', 'weights.safetensors')));
  });
  test('rollback: back to the latest checkpoint', async () => {
    const into = join(folder, 'rollback');
    const { result, events } = await train(recipe, into, {
      fault: '{point: step, action: nan, step: 4}',
      set: ['train.onDiverged=rollback'],
    });
    assert.equal(result?.status, 'done');
    const [back] = events.filter(({ type }) => type === 'diverged');
    assert.ok(back?.type === 'diverged' && back.action === 'rollback' && (back.to ?? 0) >= 1);
  });
});

test('memory that runs out: the batch is cut finer, and stays cut after a resume', async () => {
  const into = join(folder, 'memory');
  const first = command(
    into,
    '[{point: step, action: memory, step: 2}, {point: step, action: kill, step: 5}]',
  );
  assert.equal(first.signal, 'SIGKILL');
  assert.match(first.stdout, /out of memory: .*batch of 4 is cut into 4 micro-batches instead of 2/);
  assert.equal((await train(recipe, into)).result?.status, 'done');
  const whole = join(folder, 'memory-whole');
  assert.equal(
    (await train(recipe, whole, { fault: '{point: step, action: memory, step: 2}' })).error,
    undefined,
  );
  assert.ok(weightsOf(into).equals(weightsOf(whole)));
});

test('memory that runs out in an evaluation: fewer pictures at once, the same numbers and weights', async () => {
  const into = join(folder, 'memory-evaluate');
  const { result, said } = await train(recipe, into, {
    fault: '{point: evaluate, action: memory, step: 6}',
  });
  assert.equal(result?.status, 'done');
  assert.match(said, /out of memory: from here on pictures are detected 2 at once/);
  const evaluations = (of: string) =>
    metricsOf(of).flatMap(({ type, step, eval: numbers }) => (type === 'eval' ? [[step, numbers]] : []));
  assert.deepEqual(evaluations(into), evaluations(calm));
  assert.ok(weightsOf(into).equals(weightsOf(calm)));
});

test('what may change when a run goes on is written down, and what it was before stays', async () => {
  const into = join(folder, 'changed');
  const first = { fault: '{point: save.end, action: error, step: 4}' };
  assert.equal((await train(recipe, into, first)).error?.code, 'HD_FAULT');
  const before = readFileSync(join(into, 'recipe.yaml'), 'utf8');
  const { result, events } = await train(recipe, into, { set: ['log.every=3'] });
  assert.equal(result?.status, 'done');
  assert.match(JSON.stringify(events), /the former stays as recipe-0001\.yaml/);
  assert.equal(readFileSync(join(into, 'recipe-0001.yaml'), 'utf8'), before);
  const { recipe: now } = loadRecipe(join(into, 'recipe.yaml'));
  assert.deepEqual([now.log.every, now.debug.fault], [3, []]);
  assert.ok(weightsOf(into).equals(weightsOf(calm)));
});

test('SIGTERM: the step is finished and saved; exit 75; the rest follows bit-equal', async () => {
  const into = join(folder, 'terminate');
  const end = command(into, '{point: step, action: terminate, step: 4}');
  assert.equal(end.status, 75, end.stderr);
  assert.match(end.stdout, /--resume auto/);
  await endsCalm(into);
});

test('early stop: the final weights are the best ones, and the run is finished', async () => {
  const into = join(folder, 'early');
  const set = ['train.earlyStop={patience: 1, minDelta: 1}', 'train.epochs=30'];
  const { result, said } = await train(recipe, into, { set });
  assert.equal(result?.status, 'done');
  assert.match(said, /stopped early: 1 evaluations without more than/);
  const steps = metricsOf(into).filter(({ type }) => type === 'step');
  assert.ok(steps.length < 90, `${steps.length} steps`);
  const before = weightsOf(into);
  assert.equal((await train(recipe, into, { set })).result?.status, 'done');
  assert.ok(weightsOf(into).equals(before));
});
