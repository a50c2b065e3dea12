import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { HdError } from '../../../../lib/error.ts';
import type { NativeDataset } from '../../../../lib/native.ts';
import { resolveRecipe } from '../../../../lib/recipe/index.ts';
import type { TrainContext } from '../../../../lib/trainer/context.ts';
import { environmentOf, recipeDigest } from '../../../../lib/trainer/digest.ts';
import { checkpointHook } from '../../../../lib/trainer/hooks/checkpoint.ts';
import { checkpointName, RunFolder, readCheckpoint } from '../../../../lib/trainer/run-folder.ts';
import { temporaryFolder } from '../../../faults/command.ts';
import { contextOf, fakeSession, openTrain, recipeOf, type Sections } from '../fixtures.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

let trainSet: NativeDataset;
before(async () => {
  trainSet = await openTrain(recipeOf());
});

type Checkpointing = NonNullable<Sections['checkpoint']>;

/** Three epochs of three steps, with the hook alone. */
function makeRun(checkpoint: Checkpointing, given: { isBest?: () => boolean; step?: number } = {}) {
  const folder = new RunFolder(mkdtempSync(join(root, 'run-')));
  folder.open();
  const session = fakeSession({
    save: async (into) => writeFileSync(join(into, 'weights.safetensors'), 'w'),
  });
  const recipe = recipeOf({ checkpoint: { seconds: 0, keep: 100, ...checkpoint } });
  const context = contextOf(recipe, { trainSet, session, folder, step: given.step ?? 0 });
  const isBest = given.isBest ?? (() => false);
  let hook = checkpointHook(isBest);
  let started = false;
  return {
    context,
    folder,
    /** Another process goes on. */
    resume() {
      hook = checkpointHook(isBest);
      started = false;
    },
    async until(step: number) {
      if (!started) await hook.onStart?.(context);
      started = true;
      while (context.step < step) {
        context.epoch = Math.floor(context.step / 3);
        context.step += 1;
        await hook.afterStep?.(context, {} as never);
        if (context.step % 3 === 0 || context.step === context.timeline.totalSteps)
          await hook.afterEpoch?.(context);
      }
    },
    async end(status: TrainContext['status']) {
      context.status = status;
      await hook.onEnd?.(context);
      folder.close();
    },
    saved: () => context.events.flatMap((event) => (event.type === 'checkpoint' ? [event.step] : [])),
  };
}

describe('when a run is saved', () => {
  const cases: [string, Checkpointing, number[]][] = [
    ['after every epoch', { epochs: 1 }, [3, 6, 9]],
    ['after every second epoch, and at the end', { epochs: 2 }, [6, 9]],
    ['inside epochs', { epochs: 1 / 3 }, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    [
      'a share of an epoch that is less than a step is every step',
      { epochs: 0.01 },
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
    ],
    ['only at the end', { epochs: 0 }, [9]],
    [
      'by the clock, at every step when it is that fast',
      { epochs: 0, seconds: 1e-9 },
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
    ],
    ['by the clock, before which nothing is due', { epochs: 0, seconds: 1e6 }, [9]],
  ];
  for (const [what, checkpoint, expected] of cases) {
    test(`${what}`, async () => {
      const run = makeRun(checkpoint);
      await run.until(9);
      await run.end('done');
      assert.deepEqual(run.saved(), expected);
    });
  }

  test('a teacher that goes away after the start costs no checkpoint', async () => {
    const weights = join(root, 'teacher.safetensors');
    writeFileSync(weights, 'teacher');
    const run = makeRun({ epochs: 1 });
    const [teacher] = resolveRecipe({
      data: { format: 'synthetic', train: { count: 4 } },
      teachers: [{ weights }],
    }).recipe.teachers;
    assert.ok(teacher);
    run.context.recipe.teachers = [teacher];
    run.context.recipe.distill = [{ transfer: 'localization' } as TrainContext['recipe']['distill'][number]];
    await run.until(0);
    rmSync(weights);
    await run.until(3);
    await run.end('done');
    assert.deepEqual(run.saved(), [3]);
  });

  test('the last step of an epoch is saved once, after its evaluation', async () => {
    const run = makeRun({ epochs: 1 / 3 });
    await run.until(2);
    run.context.step = 3;
    const before = run.saved();
    const hook = checkpointHook(() => false);
    await hook.afterStep?.(run.context, {} as never);
    assert.deepEqual(run.saved(), before);
    await hook.afterEpoch?.(run.context);
    assert.deepEqual(run.saved(), [...before, 3]);
  });

  test('the last step of a run inside an epoch likewise', async () => {
    const run = makeRun({ epochs: 1 / 3 });
    run.context.timeline.totalSteps = 5;
    await run.until(5);
    await run.end('done');
    assert.deepEqual(run.saved(), [1, 2, 3, 4, 5]);
  });

  for (const [status, step, expected] of [
    ['interrupted', 4, [3, 4]],
    ['interrupted', 3, [3]],
    ['interrupted', 0, []],
    ['failed', 4, [3]],
  ] as const) {
    test(`a run that ends ${status} after step ${step}: checkpoints of ${expected.join() || 'nothing'}`, async () => {
      const run = makeRun({ epochs: 1 });
      await run.until(step);
      await run.end(status);
      assert.deepEqual(run.saved(), expected);
    });
  }

  test('a teacher that goes away after the start costs no checkpoint', async () => {
    const weights = join(root, 'teacher.safetensors');
    writeFileSync(weights, 'teacher');
    const run = makeRun({ epochs: 1 });
    const [teacher] = resolveRecipe({
      data: { format: 'synthetic', train: { count: 4 } },
      teachers: [{ weights }],
    }).recipe.teachers;
    assert.ok(teacher);
    run.context.recipe.teachers = [teacher];
    run.context.recipe.distill = [{ transfer: 'localization' } as TrainContext['recipe']['distill'][number]];
    await run.until(0);
    rmSync(weights);
    await run.until(3);
    await run.end('done');
    assert.deepEqual(run.saved(), [3]);
  });

  test('a resumed run does not save the step that it came from again', async () => {
    const run = makeRun({ epochs: 1 });
    await run.until(3);
    run.resume();
    await run.until(3);
    await run.end('interrupted');
    assert.deepEqual(run.saved(), [3]);
  });
  test('one that came from another folder saves at once, and goes on when it cannot', async () => {
    const run = makeRun({ epochs: 1 }, { step: 3 });
    await run.until(3);
    assert.deepEqual(run.saved(), [3]);
    await run.end('interrupted');
    assert.deepEqual(run.saved(), [3]);
    const full = makeRun({ epochs: 1 }, { step: 3 });
    const working = full.context.session;
    Object.assign(full.context, {
      session: fakeSession({ save: () => Promise.reject(new HdError('HD_DISK_FULL', 'no space')) }),
    });
    await full.until(3);
    assert.match(JSON.stringify(full.context.events), /not saved at step 3/);
    Object.assign(full.context, { session: working });
    await full.end('interrupted');
    assert.deepEqual(full.saved(), [3]);
  });
});

describe('what is saved', () => {
  test('everything that a resume compares and restores', async () => {
    const run = makeRun({ epochs: 1 });
    run.context.hookStates = () => ({ evaluate: { best: null }, mine: [1, 2] });
    await run.until(3);
    await run.end('interrupted');
    const [event] = run.context.events;
    assert.ok(event?.type === 'checkpoint' && event.seconds >= 0);
    const { path, state } = readCheckpoint(event.path);
    assert.equal(path, run.folder.file('checkpoints', checkpointName(3)));
    assert.deepEqual(state, {
      format: 2,
      step: 3,
      epoch: 0,
      classes: trainSet.classes,
      environment: environmentOf(run.context.recipe),
      digests: { recipe: recipeDigest(run.context.recipe), data: trainSet.digest, teachers: '' },
      hooks: { evaluate: { best: null }, mine: [1, 2] },
    });
    assert.deepEqual(readdirSync(path).sort(), ['state.json', 'weights.safetensors']);
    assert.equal(run.folder.latest()?.path, path);
  });
  test('the best is saved when it was measured, due or not', async () => {
    for (const [best, expected] of [
      [true, [3, 9]],
      [false, [9]],
    ] as const) {
      let step = 0;
      const run = makeRun({ epochs: 0, best }, { isBest: () => step === 3 });
      for (step = 1; step <= 9; ++step) await run.until(step);
      await run.end('done');
      assert.deepEqual(run.saved(), expected);
      assert.equal(run.folder.bestName(), best ? checkpointName(3) : null);
    }
  });
  test('the best is remembered beside the latest, unless the recipe does not want it', async () => {
    for (const [best, expected] of [
      [true, `${checkpointName(6)}\n`],
      [false, null],
    ] as const) {
      let step = 0;
      const run = makeRun({ best, keep: 1 }, { isBest: () => step === 6 });
      for (step = 3; step <= 9; step += 3) await run.until(step);
      await run.end('done');
      const checkpoints = readdirSync(run.folder.file('checkpoints')).filter((name) =>
        name.startsWith('step'),
      );
      assert.deepEqual(checkpoints, best ? [checkpointName(6), checkpointName(9)] : [checkpointName(9)]);
      const pointer = run.folder.file('checkpoints', 'best');
      assert.equal(expected === null ? run.folder.bestName() : readFileSync(pointer, 'utf8'), expected);
    }
  });
  test('a session that fails to save leaves no checkpoint, and the latest is the one before', async () => {
    const run = makeRun({ epochs: 1 });
    await run.until(3);
    Object.assign(run.context, {
      session: fakeSession({ save: () => Promise.reject(new Error('the disk is full')) }),
    });
    await assert.rejects(run.until(6), /the disk is full/);
    assert.deepEqual(run.saved(), [3]);
    assert.equal(run.folder.latest()?.state.step, 3);
    run.folder.close();
  });
});
