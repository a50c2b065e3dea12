/** What a run that goes on takes over from what was before, and what it must not. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Hook } from '../../../lib/trainer/hooks/hook.ts';
import { checkpointName, readCheckpoint } from '../../../lib/trainer/run-folder.ts';
import { temporaryFolder, writeRecipe } from '../../faults/command.ts';
import { train, weightsOf } from '../../faults/train.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const recipe = writeRecipe(folder);
const calm = join(folder, 'calm');
const earlyStop = 'train.earlyStop={patience: 50}';
const stateOf = (run: string, step: number) =>
  readCheckpoint(join(run, 'checkpoints', checkpointName(step))).state;
const pointer = (run: string, name: string) => readFileSync(join(run, 'checkpoints', name), 'utf8').trim();

before(async () => {
  const { error } = await train(recipe, calm, { set: [earlyStop] });
  assert.equal(error, undefined);
});

/** Ends as Ctrl-C does, when `when` says so. */
function stopper(when: (hook: { progress: number; step: number }) => boolean): {
  hooks: Hook[];
  signal: AbortSignal;
} {
  const stopping = new AbortController();
  const seen = { progress: 0, step: 0 };
  const look = () => when(seen) && stopping.abort();
  const hook: Hook = {
    name: 'stopper',
    afterStep(context) {
      seen.step = context.step;
      look();
    },
    onEvent(event) {
      if (event.type === 'progress') seen.progress += 1;
      look();
    },
  };
  return { hooks: [hook], signal: stopping.signal };
}

test('an evaluation that was left is made up for: its checkpoint, the best and early stop are as without the break', async () => {
  const into = join(folder, 'left');
  const stop = stopper(({ progress }) => progress === 1);
  const first = await train(recipe, into, { set: [earlyStop], ...stop });
  assert.equal(first.result?.status, 'interrupted');
  const step = first.result.step;
  assert.equal((stateOf(into, step).hooks.evaluate as { step: number }).step, -1);
  const second = stopper(({ step: now }) => now === step + 1);
  assert.equal((await train(recipe, into, { set: [earlyStop], ...second })).result?.status, 'interrupted');
  assert.equal((stateOf(into, step).hooks.evaluate as { step: number }).step, step);
  const best = pointer(into, 'best');
  assert.equal(best, checkpointName(step));
  const last = await train(recipe, into, { set: [earlyStop] });
  assert.equal(last.result?.status, 'done');
  for (const name of ['latest', 'best']) assert.equal(pointer(into, name), pointer(calm, name), name);
  const total = last.result.step;
  for (const hook of ['evaluate', 'early-stop'])
    assert.deepEqual(stateOf(into, total).hooks[hook], stateOf(calm, total).hooks[hook], hook);
  assert.ok(weightsOf(into).equals(weightsOf(calm)));
});

test('the last step inside an epoch is saved once, with its evaluation', async () => {
  const into = join(folder, 'inside');
  const set = ['train.epochs=null', 'train.steps=4', 'checkpoint.epochs=0.3', 'checkpoint.seconds=0'];
  const { events, result } = await train(recipe, into, { set });
  assert.equal(result?.step, 4);
  const saved = events.flatMap((event) => (event.type === 'checkpoint' ? [event.step] : []));
  assert.deepEqual(saved, [1, 2, 3, 4]);
  assert.equal((stateOf(into, 4).hooks.evaluate as { step: number }).step, 4);
});

test('weights that cannot be written make a run that failed, not one that was killed', async () => {
  const into = join(folder, 'unwritten');
  const failed = await train(recipe, into, { fault: '{point: export, action: disk-full}' });
  assert.equal(failed.error?.code, 'HD_DISK_FULL');
  const status = JSON.parse(readFileSync(join(into, 'status.json'), 'utf8'));
  assert.equal(status.state, 'failed');
  assert.match(status.note, /space|full/);
  const again = await train(recipe, into);
  assert.equal(again.result?.status, 'done');
  const warnings = again.events.flatMap((event) => (event.type === 'start' ? event.warnings : []));
  assert.ok(!warnings.some((warning) => warning.includes('without a word')), warnings.join());
  assert.ok(weightsOf(into).equals(weightsOf(calm)));
});

test('weights of a course that ended earlier do not stand beside one that goes on', async () => {
  const into = join(folder, 'earlier');
  const early = await train(recipe, into, { set: ['train.earlyStop={patience: 1, minDelta: 1}'] });
  assert.equal(early.result?.status, 'done');
  assert.ok(existsSync(early.result.weights));
  const stop = stopper(({ step }) => step === (early.result?.step as number) + 1);
  const further = await train(recipe, into, { set: [earlyStop], ...stop });
  assert.equal(further.result?.status, 'interrupted');
  assert.equal(existsSync(further.result.weights), false);
});

test('a run that goes on from a checkpoint of another folder stands by itself at once', async () => {
  const into = join(folder, 'foreign');
  const own = stopper(({ step }) => step === 5);
  await train(recipe, into, { set: [earlyStop], ...own });
  assert.equal(pointer(into, 'latest'), checkpointName(5));
  const from = pointer(calm, 'best');
  const seen: string[] = [];
  const look: Hook = { name: 'look', onStart: () => void seen.push(pointer(into, 'latest')) };
  const options = { set: [earlyStop], resume: join(calm, 'checkpoints', from), hooks: [look] };
  const { result } = await train(recipe, into, options);
  assert.equal(result?.status, 'done');
  assert.deepEqual(seen, [from]);
  assert.ok(weightsOf(into).equals(weightsOf(calm)));
});

test('evaluations by another number are not compared with those before', async () => {
  const into = join(folder, 'other');
  const stop = stopper(({ step }) => step === 4);
  await train(recipe, into, { set: [earlyStop, 'eval.best=ap50'], ...stop });
  const { events, said } = await train(recipe, into, { set: [earlyStop, 'eval.best=ap75'] });
  assert.match(said, /earlier evaluations no longer count/);
  const evaluations = events.flatMap((event) => (event.type === 'eval' ? [event] : []));
  assert.ok(evaluations.length >= 1);
  // AP75 is never above AP50: compared with that, nothing would be the best.
  assert.equal(evaluations[0]?.best, true);
  const step = evaluations.at(-1)?.step ?? 0;
  const state = stateOf(into, step).hooks['early-stop'] as { measure: string; bestStep: number };
  assert.match(state.measure, /"best":"ap75"/);
  assert.ok(state.bestStep > 3);
});
