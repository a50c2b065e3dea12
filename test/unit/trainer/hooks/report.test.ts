import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { NativeDataset } from '../../../../lib/native.ts';
import { resolveRecipe } from '../../../../lib/recipe/index.ts';
import { parseStatus } from '../../../../lib/report/run/status.ts';
import type { TrainEvent } from '../../../../lib/trainer/events.ts';
import { reportHook } from '../../../../lib/trainer/hooks/report.ts';
import { RunFolder } from '../../../../lib/trainer/run-folder.ts';
import { temporaryFolder } from '../../../faults/command.ts';
import { stepLine, writeRun } from '../../report/run-folder.ts';
import { contextOf, openTrain, recipeOf, type Sections } from '../fixtures.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

let trainSet: NativeDataset;
before(async () => {
  trainSet = await openTrain(recipeOf());
});

const start = {
  type: 'start',
  recipe: 'cells',
  classes: ['cat'],
  trainImages: 12,
  valImages: 4,
  parameters: 7,
  precision: 'fp32',
  threads: 1,
} as unknown as TrainEvent;

/** A run whose clock is moved by hand. */
function makeRun(sections: Sections = {}, yaml = resolveRecipe(recipeOf(sections)).yaml) {
  const folder = new RunFolder(writeRun(mkdtempSync(join(root, 'run-')), { status: null, recipe: yaml }));
  const clock = { now: 1000 };
  const warnings: string[] = [];
  const hook = reportHook(
    (message) => warnings.push(message),
    () => clock.now,
  );
  const context = contextOf(recipeOf(sections), {
    trainSet,
    folder,
    step: 300,
    timeline: { stepsPerEpoch: 100, totalSteps: 1200 },
  });
  const file = (...names: string[]) => folder.file(...names);
  const status = () => parseStatus(readFileSync(file('status.json'), 'utf8'));
  const stamp = () => statSync(file('report.html')).ino;
  return { folder, clock, hook, context, warnings, file, status, stamp };
}

describe('what is written', () => {
  test('a report and a status as soon as the run starts', async () => {
    const { hook, context, file, status } = makeRun();
    hook.onEvent?.(start);
    await hook.onStart?.(context);
    assert.match(readFileSync(file('report.html'), 'utf8'), /Best AP/);
    assert.equal(status()?.state, 'running');
    assert.equal(status()?.recipe, 'cells');
    assert.equal(status()?.totalSteps, 1200);
  });
  test('what differs from the defaults, and nothing of a recipe that went on as it began', async () => {
    const { hook, context, status } = makeRun();
    await hook.onStart?.(context);
    const fields = status()?.fromDefaults.map(({ field }) => field) ?? [];
    assert.ok(fields.includes('model.neckChannels') && fields.includes('train.epochs'), fields.join());
    assert.ok(!fields.some((field) => field.startsWith('data.')));
    assert.deepEqual(status()?.sinceStart, []);
  });
  test('what was changed when it was resumed', async () => {
    const { hook, context, status, file } = makeRun({ log: { every: 7 } });
    // As RunFolder.writeRecipe leaves it of a run that was resumed twice.
    writeFileSync(file('recipe-0001.yaml'), resolveRecipe(recipeOf()).yaml);
    writeFileSync(file('recipe-0002.yaml'), resolveRecipe(recipeOf({ log: { every: 8 } })).yaml);
    await hook.onStart?.(context);
    assert.deepEqual(status()?.sinceStart, [{ field: 'log.every', before: '50', after: '7' }]);
  });
  test('a recipe.yaml of another version costs that table only', async () => {
    const { hook, context, status, warnings } = makeRun({}, 'modle: 1\n');
    await hook.onStart?.(context);
    assert.deepEqual(status()?.sinceStart, []);
    assert.deepEqual(warnings, []);
  });
  test('nothing when the recipe says so', async () => {
    const { hook, context, file } = makeRun({ log: { report: false } });
    hook.onEvent?.(start);
    await hook.onStart?.(context);
    await hook.afterStep?.(context, null);
    await hook.afterEpoch?.(context);
    await hook.onEnd?.(context);
    hook.onEvent?.({ type: 'end' } as TrainEvent);
    assert.equal(existsSync(file('report.html')) || existsSync(file('status.json')), false);
  });
});

describe('when', () => {
  test('every ten seconds, sooner after an evaluation', async () => {
    const { hook, context, clock, stamp } = makeRun();
    await hook.onStart?.(context);
    const first = stamp();
    clock.now += 9;
    await hook.afterStep?.(context, null);
    assert.equal(stamp(), first);
    clock.now += 1;
    await hook.afterStep?.(context, null);
    const second = stamp();
    assert.notEqual(second, first);
    hook.onEvent?.({ type: 'eval' } as TrainEvent);
    await hook.afterEpoch?.(context);
    assert.equal(stamp(), second);
    clock.now += 1;
    await hook.afterStep?.(context, null);
    assert.notEqual(stamp(), second);
  });
  test('a report that takes long is made seldom', async () => {
    const { hook, context, stamp, folder } = makeRun();
    let now = 0;
    // Every look at the clock costs a second: a report takes some.
    const slow = reportHook(assert.fail, () => ++now);
    await slow.onStart?.({ ...context, folder });
    const first = stamp();
    now += 40;
    await slow.afterStep?.(context, null);
    assert.equal(stamp(), first);
    now += 400;
    await slow.afterStep?.(context, null);
    assert.notEqual(stamp(), first);
    assert.equal(hook.name, slow.name);
  });
  test('at the end, and again when its pictures are there', async () => {
    const { hook, context, status, file } = makeRun();
    await hook.onStart?.(context);
    context.status = 'done';
    await hook.onEnd?.(context);
    assert.equal(status()?.state, 'done');
    assert.doesNotMatch(readFileSync(file('report.html'), 'utf8'), /000-x\.jpg/);
    mkdirSync(file('pictures', 'step-7'));
    writeFileSync(file('pictures', 'step-7', '000-x.jpg'), 'x');
    hook.onEvent?.({ type: 'end' } as TrainEvent);
    assert.match(readFileSync(file('report.html'), 'utf8'), /000-x\.jpg after step 7/);
  });
  test('lines that came since are in the next one', async () => {
    const { hook, context, file, clock } = makeRun();
    await hook.onStart?.(context);
    appendFileSync(file('metrics.jsonl'), `${stepLine(310, 0.0123)}\n`);
    context.step = 310;
    clock.now += 60;
    await hook.afterStep?.(context, null);
    const text = readFileSync(file('report.html'), 'utf8');
    assert.match(text, /0\.0123 at 310/);
  });
});

describe('how it ended', () => {
  for (const [state, given, note] of [
    ['interrupted', {}, ''],
    ['failed', { error: new Error('the loss was not finite') }, 'the loss was not finite'],
    ['done', { stopped: 'stopped early: 2 evaluations' }, 'stopped early: 2 evaluations'],
  ] as const)
    test(state, async () => {
      const { hook, context, status } = makeRun();
      await hook.onStart?.(context);
      await hook.onEnd?.(Object.assign(context, given, { status: state }));
      assert.equal(status()?.state, state);
      assert.equal(status()?.note, note);
    });
});

test('the time of earlier sittings counts', async () => {
  const first = makeRun();
  await first.hook.onStart?.(first.context);
  first.clock.now += 100;
  const state = JSON.parse(JSON.stringify(first.hook.state?.()));
  const second = makeRun();
  second.hook.restore?.(state);
  await second.hook.onStart?.(second.context);
  second.clock.now += 50;
  await second.hook.onEnd?.(second.context);
  assert.equal(Math.round(second.status()?.elapsed ?? 0), 150);
});

test('a report that cannot be written is told once, and tried again', async () => {
  const { hook, context, warnings, file, clock, status } = makeRun();
  mkdirSync(join(file('report.html'), 'in the way'), { recursive: true });
  await hook.onStart?.(context);
  clock.now += 60;
  await hook.afterStep?.(context, null);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /cannot write the report: .*the run goes on/);
  rmSync(file('report.html'), { recursive: true });
  clock.now += 60;
  await hook.afterStep?.(context, null);
  assert.ok(statSync(file('report.html')).isFile());
  assert.equal(status()?.state, 'running');
});
