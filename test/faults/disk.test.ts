/** Disks that fill up, turn read-only or lose power (faults 20 to 23). Kills at points of saving: trouble.test.ts. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RunFolder } from '../../lib/trainer/run-folder.ts';
import { temporaryFolder, writeRecipe } from './command.ts';
import { tells } from './sentences.ts';
import { metricsOf, train, weightsOf } from './train.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const recipe = writeRecipe(folder);

/** A shell of its own with a small disk at $DISK: real errors, not injected ones. */
function withDisk(megabytes: number, script: string) {
  const disk = join(folder, `disk-${megabytes}`);
  mkdirSync(disk, { recursive: true });
  const mount = `mount -t tmpfs -o size=${megabytes}m none "$DISK" || exit 99`;
  return spawnSync('unshare', ['-rm', 'sh', '-c', `${mount}\n${script}`], {
    encoding: 'utf8',
    env: { ...process.env, DISK: disk, NODE: process.execPath },
    timeout: 240_000,
  });
}
const trial = withDisk(1, 'exit 0');
const refused = trial.status === 0 ? false : 'this system lets nobody mount a small disk';
const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

describe('22: a disk that is really full', { skip: refused }, () => {
  test('in the middle of a run: training goes on and says so; the checkpoint before is whole', () => {
    // Room for one checkpoint of about 140 MB and its weights, not for the next.
    const end = withDisk(
      200,
      `"$NODE" "${cli}" --config "${recipe}" --run "$DISK/run" --set train.epochs=1 --set eval.every=0 --set checkpoint.seconds=0.001; echo "exit $?"
       test -s "$DISK/run/checkpoints/latest" && cat "$DISK/run/checkpoints/latest" && ls "$DISK/run/checkpoints/$(cat "$DISK/run/checkpoints/latest")"`,
    );
    assert.match(end.stdout, /not saved at step \d+ .*free some space/, end.stderr);
    assert.match(end.stdout, /state\.json/, end.stderr);
  });
  test('from the beginning: refused with the cure, nothing half-written', () => {
    const end = withDisk(
      1,
      `head -c 2000000 /dev/zero > "$DISK/filler" 2>/dev/null
       "$NODE" "${cli}" --config "${recipe}" --run "$DISK/run"; echo "exit $?"; find "$DISK/run" -name '*.tmp-*'`,
    );
    assert.match(end.stderr, /No space left|free some space/);
    assert.doesNotMatch(end.stdout, /exit 0/);
    assert.doesNotMatch(end.stdout, /\.tmp-/);
  });
});

test('22: a read-only disk refuses a save by name', { skip: refused }, () => {
  const script = `mkdir "$DISK/run"; mount -o remount,ro "$DISK"
    "$NODE" "${cli}" --config "${recipe}" --run "$DISK/run"; echo "exit $?"`;
  const end = withDisk(2, script);
  assert.match(end.stderr, /[Rr]ead-only/);
  assert.match(end.stdout, /exit (2|70)/);
});

describe('20 to 22: saving by the injector', () => {
  const calm = join(folder, 'calm');
  before(async () => {
    assert.equal((await train(recipe, calm, { set: ['train.epochs=1'] })).result?.status, 'done');
  });
  test('each save fails once: the run says so each time and ends with the same weights', async () => {
    const into = join(folder, 'each');
    const points = ['save.begin', 'save.before_rename', 'save.after_rename', 'save.end'];
    const fault = `[${points.map((point, i) => `{point: ${point}, action: disk-full, step: ${i}}`).join(', ')}]`;
    const { result, said } = await train(recipe, into, { fault, set: ['train.epochs=1'] });
    assert.equal(result?.status, 'done');
    assert.match(said, /not saved at step/);
    assert.ok(weightsOf(into).equals(weightsOf(calm)));
  });
  test('a disk that is full at the very end is an error with the cure; a resume finishes', async () => {
    const into = join(folder, 'end');
    const { error } = await train(recipe, into, {
      fault: '{point: export, action: disk-full}',
      set: ['train.epochs=1'],
    });
    tells(error, 'HD_DISK_FULL', 'export');
    assert.equal((await train(recipe, into, { set: ['train.epochs=1'] })).result?.status, 'done');
    assert.ok(weightsOf(into).equals(weightsOf(calm)));
  });
  test('lines of metrics that were half-written when the power went are cut off', async () => {
    const into = join(folder, 'power');
    await train(recipe, into, {
      fault: '{point: save.end, action: error, step: 2}',
      set: ['train.epochs=1'],
    });
    writeFileSync(
      join(into, 'metrics.jsonl'),
      `${readFileSync(join(into, 'metrics.jsonl'), 'utf8')}{"type":"st`,
    );
    assert.equal((await train(recipe, into, { set: ['train.epochs=1'] })).result?.status, 'done');
    const steps = metricsOf(into).filter(({ type }) => type === 'step');
    assert.deepEqual(
      steps.map(({ step }) => step),
      [1, 2, 3],
    );
  });
  test('a checkpoint whose numbers the disk changed is refused, by its file and before a step', async () => {
    const into = join(folder, 'flipped');
    await train(recipe, into, { set: ['train.epochs=1'] });
    const latest = readFileSync(join(into, 'checkpoints/latest'), 'utf8').trim();
    const weights = join(into, 'checkpoints', latest, 'weights.safetensors');
    const whole = readFileSync(weights);
    rmSync(join(into, 'student.safetensors'));
    for (const at of [whole.length - 3, whole.length >> 1]) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] as number) ^ 1; // one bit of a number: nothing else would notice
      writeFileSync(weights, flipped);
      const { error } = await train(recipe, into, { set: ['train.epochs=1'] });
      tells(error, 'HD_CKPT_CORRUPT', 'weights.safetensors');
      assert.match(error?.message ?? '', /checksum differs.*--resume DIR$/);
    }
    writeFileSync(weights, whole);
    assert.equal((await train(recipe, into, { set: ['train.epochs=1'] })).result?.status, 'done');
  });
  test('a checkpoint whose state was lost is refused by its file; the one before can be named', async () => {
    const into = join(folder, 'lost');
    await train(recipe, into, { set: ['train.epochs=1'] });
    const latest = readFileSync(join(into, 'checkpoints/latest'), 'utf8').trim();
    rmSync(join(into, 'student.safetensors'));
    writeFileSync(join(into, 'checkpoints', latest, 'state.json'), '');
    tells((await train(recipe, into, { set: ['train.epochs=1'] })).error, 'HD_CKPT_CORRUPT', 'state.json');
  });
});

test('23: a second trainer on one run folder is refused with the process that holds it', async () => {
  const into = join(folder, 'twice');
  const first = new RunFolder(into);
  first.open();
  try {
    tells((await train(recipe, into)).error, 'HD_RUN_LOCKED', String(process.pid));
  } finally {
    first.close();
  }
  assert.ok(!existsSync(join(into, 'metrics.jsonl')), 'the second has written nothing');
});
