import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { HdError } from '../../../../lib/error.ts';
import type { NativeDataset, StepInput, StepOutput } from '../../../../lib/native.ts';
import { Faults } from '../../../../lib/trainer/faults.ts';
import { StepTaker } from '../../../../lib/trainer/hooks/steps.ts';
import { type Checkpoint, RunFolder } from '../../../../lib/trainer/run-folder.ts';
import { temporaryFolder } from '../../../faults/command.ts';
import { contextOf, fakeSession, openTrain, recipeOf, type Sections } from '../fixtures.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

let trainSet: NativeDataset;
before(async () => {
  trainSet = await openTrain(recipeOf());
});

const input: StepInput = {
  step: 0,
  learningRates: [0.1],
  emaDecay: 0,
  lossWeights: {},
  clipNorm: 0,
  readLosses: true,
};
const output = { done: true, accumulate: 1 } as StepOutput;
const diverged = () => new HdError('HD_DIVERGED', "the loss term 'cls' is nan", 'images 1, 2');

/** Native steps that answer in this order; what they were given is kept. */
function makeRun(train: Sections['train'], answers: (StepOutput | Error)[], latest: number | null = null) {
  const folder = new RunFolder(mkdtempSync(join(root, 'run-')));
  writeFileSync(folder.file('recipe.yaml'), 'model: {}\n');
  folder.latest = () =>
    latest === null ? null : ({ path: '/checkpoint', state: { step: latest } } as Checkpoint);
  const given: StepInput[] = [];
  const restored: string[] = [];
  const session = fakeSession({
    async step(_loader, input) {
      given.push(input);
      const answer = answers.shift() ?? output;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    async restore(path) {
      restored.push(path);
    },
    async save(into) {
      writeFileSync(join(into, 'weights.safetensors'), 'w');
    },
  });
  const recipe = recipeOf({ train });
  const context = contextOf(recipe, { trainSet, session, folder });
  const taker = new StepTaker();
  return {
    context,
    taker,
    given,
    restored,
    async take(count: number): Promise<(StepOutput | null)[]> {
      const taken: (StepOutput | null)[] = [];
      for (let i = 0; i < count; ++i) {
        taken.push(await taker.take(context, input));
        context.step += 1;
      }
      return taken;
    },
  };
}

describe('numbers that are not finite', () => {
  test('stop: the run ends with what the native side said, and the batch is kept', async () => {
    const run = makeRun({}, [output, output, output, output, diverged()]);
    const error = await run.take(9).catch((error: HdError) => error);
    assert.ok(error instanceof HdError);
    assert.equal(error.code, 'HD_DIVERGED');
    assert.equal(error.where, 'images 1, 2');
    assert.match(error.message, /'cls' is nan; look at the batch with: npx hdtrain probe --dump .*diverged$/);
    const dump = JSON.parse(readFileSync(run.context.folder.file('diverged', 'dump.json'), 'utf8'));
    // Three steps an epoch: the fifth step is the second batch of the second epoch.
    assert.deepEqual([dump.step, dump.epoch, dump.stepInEpoch], [4, 1, 1]);
    assert.deepEqual(dump.input, input);
    for (const name of ['weights.safetensors', 'recipe.yaml'])
      assert.ok(existsSync(run.context.folder.file('diverged', name)), name);
  });
  test('skip: the step is null, the run is told, and goes on', async () => {
    const run = makeRun({ onDiverged: 'skip' }, [output, diverged(), diverged(), output]);
    assert.deepEqual(await run.take(4), [output, null, null, output]);
    assert.deepEqual(
      run.context.events.map(
        (event) => event.type === 'diverged' && [event.step, event.inARow, event.action],
      ),
      [
        [2, 1, 'skip'],
        [3, 2, 'skip'],
      ],
    );
    assert.equal(existsSync(run.context.folder.file('diverged')), false);
    assert.deepEqual(run.restored, []);
  });
  test('maxDiverged in a row stop the run; a good step starts the count anew', async () => {
    const bad = Array.from({ length: 4 }, diverged);
    const run = makeRun({ onDiverged: 'skip', maxDiverged: 3 }, [
      ...bad.slice(0, 2),
      output,
      ...bad.slice(1),
    ]);
    await assert.rejects(run.take(9), /^HdError: 3 steps in a row were not finite; the last: the loss term/);
    assert.equal(run.given.length, 6);
    assert.ok(existsSync(run.context.folder.file('diverged', 'dump.json')));
  });
  test('rollback: the weights of the latest checkpoint come back', async () => {
    const run = makeRun({ onDiverged: 'rollback' }, [output, diverged()], 1);
    await run.take(3);
    assert.deepEqual(run.restored, ['/checkpoint']);
    const [event] = run.context.events;
    assert.ok(event?.type === 'diverged');
    assert.deepEqual([event.action, event.to], ['rollback', 1]);
  });
  test('rollback before the first checkpoint is a skip', async () => {
    const run = makeRun({ onDiverged: 'rollback' }, [diverged()]);
    assert.deepEqual(await run.take(1), [null]);
    assert.ok(run.context.events[0]?.type === 'diverged' && run.context.events[0].action === 'skip');
  });
  test('another dump replaces the one before; a dump that fails hides nothing', async () => {
    const run = makeRun({}, [diverged(), diverged()]);
    await assert.rejects(run.take(1));
    rmSync(run.context.folder.file('recipe.yaml'));
    await assert.rejects(run.take(1), /'cls' is nan$/);
    assert.match(
      run.context.events.map((event) => (event.type === 'warning' ? event.message : '')).join(),
      /cannot keep the batch/,
    );
  });
  test('any other error passes whatever the policy', async () => {
    const run = makeRun({ onDiverged: 'skip' }, [new HdError('HD_DATA_IMAGE', 'bad picture')]);
    await assert.rejects(run.take(1), { code: 'HD_DATA_IMAGE' });
  });
});

describe('memory that runs out', () => {
  test('the finer cut is told once, kept, and asked for from then on', async () => {
    const run = makeRun({ batch: 4 }, [output, { ...output, accumulate: 2 }, { ...output, accumulate: 2 }]);
    await run.take(3);
    assert.deepEqual(
      run.given.map(({ accumulate }) => accumulate),
      [0, 0, 2],
    );
    const warnings = run.context.events.filter(({ type }) => type === 'warning');
    assert.equal(warnings.length, 1);
    assert.match(JSON.stringify(warnings[0]), /batch of 4 is cut into 2 micro-batches instead of 1/);
  });
  test('it survives a resume', async () => {
    const run = makeRun({ batch: 4 }, [{ ...output, accumulate: 4 }]);
    await run.take(1);
    const again = makeRun({ batch: 4 }, [{ ...output, accumulate: 4 }]);
    again.taker.restore(JSON.parse(JSON.stringify(run.taker.state())));
    await again.take(1);
    assert.equal(again.given[0]?.accumulate, 4);
    assert.deepEqual(again.context.events, []);
  });
});

test('faults of the recipe reach the native step', async () => {
  const run = makeRun({}, []);
  Object.assign(run.context, {
    faults: new Faults([{ point: 'step', action: 'nan', step: 1, times: 1, seconds: 0 }]),
  });
  await run.take(3);
  assert.deepEqual(
    run.given.map(({ fault }) => fault),
    ['', 'nan', ''],
  );
});

test('a run folder that holds a used dump folder is not in the way', async () => {
  const run = makeRun({}, [diverged()]);
  mkdirSync(run.context.folder.file('diverged', 'inner'), { recursive: true });
  await assert.rejects(run.take(1), /probe --dump/);
  assert.equal(existsSync(run.context.folder.file('diverged', 'inner')), false);
});
