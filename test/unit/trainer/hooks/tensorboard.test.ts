import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { NativeDataset } from '../../../../lib/native.ts';
import type { TrainEvent } from '../../../../lib/trainer/events.ts';
import { tensorboardHook } from '../../../../lib/trainer/hooks/tensorboard.ts';
import { RunFolder } from '../../../../lib/trainer/run-folder.ts';
import { temporaryFolder } from '../../../faults/command.ts';
import { writePng } from '../../cli/files.ts';
import { evalLine, stepLine } from '../../report/run-folder.ts';
import { eventFiles, type ReadEvent, readEvents } from '../../report/tensorboard/reader.ts';
import { contextOf, openTrain, recipeOf, type Sections } from '../fixtures.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

let trainSet: NativeDataset;
before(async () => {
  trainSet = await openTrain(recipeOf());
});

const step = (n: number, more = {}) => JSON.parse(stepLine(n, 1.5, more)) as TrainEvent;
const evaluation = (n: number) => JSON.parse(evalLine(n, 0.5)) as TrainEvent;
const end = { type: 'end', status: 'done' } as TrainEvent;

function makeRun({ path = mkdtempSync(join(root, 'run-')), at = 0, sections = {} as Sections } = {}) {
  const folder = new RunFolder(path);
  const warnings: string[] = [];
  const hook = tensorboardHook(
    (message) => warnings.push(message),
    () => 1_700_000_000.5,
  );
  const context = contextOf(recipeOf(sections), { trainSet, folder, step: at });
  const read = (): ReadEvent[] =>
    eventFiles(path).flatMap((file) => readEvents(file).filter(({ version }) => version === undefined));
  const draw = (n: number, names = ['000-a.png']) => {
    for (const name of names)
      writePng(join(path, 'pictures', `step-${String(n).padStart(10, '0')}`, name), 32, 24);
  };
  return { path, folder, hook, context, warnings, read, draw };
}

describe('scalars', () => {
  test('of steps and evaluations; what was not there to measure is none', async () => {
    const { hook, context, read } = makeRun();
    await hook.onStart?.(context);
    hook.onEvent?.(step(10));
    hook.onEvent?.(evaluation(20));
    hook.onEvent?.(end);
    const [first, second] = read();
    assert.equal(first?.step, 10);
    assert.equal(first?.time, 1_700_000_000.5);
    assert.equal(first?.scalars['loss/total'], 1.5);
    assert.equal(first?.scalars['memory/rss'], 1.5 * 2 ** 30);
    assert.equal(first?.scalars['speed/dataWait'], 0.25);
    assert.equal(first?.scalars['train/lr'], Math.fround(0.001));
    assert.equal(second?.scalars['eval/ap'], 0.5);
    assert.ok(!('eval/apSmall' in (second?.scalars ?? {})));
    assert.equal(read().length, 2);
  });
  test('a number that is none is left out', async () => {
    const { hook, context, read } = makeRun();
    await hook.onStart?.(context);
    hook.onEvent?.(step(1, { losses: { total: null, box: 1 } }));
    assert.ok(!Object.keys(read()[0]?.scalars ?? {}).includes('loss/total'));
    assert.equal(read()[0]?.scalars['loss/box'], 1);
  });
  test('off: nothing at all', async () => {
    const { hook, context, path } = makeRun({ sections: { log: { tensorboard: false } } });
    await hook.onStart?.(context);
    hook.onEvent?.(step(1));
    await hook.afterEpoch?.(context);
    hook.onEvent?.(end);
    assert.deepEqual(eventFiles(path), []);
  });
});

describe('a resumed run', () => {
  test('goes on in a new file, and no step stands twice', async () => {
    const first = makeRun();
    await first.hook.onStart?.(first.context);
    for (const n of [1, 2, 3, 4, 5]) first.hook.onEvent?.(step(n));
    // Killed after step 5, while the last checkpoint is of step 3.
    const second = makeRun({ path: first.path, at: 3 });
    await second.hook.onStart?.(second.context);
    for (const n of [4, 5, 6]) second.hook.onEvent?.(step(n));
    second.hook.onEvent?.(end);
    assert.deepEqual(
      second.read().map((event) => event.step),
      [1, 2, 3, 4, 5, 6],
    );
    assert.equal(eventFiles(first.path).length, 2);
  });
});

describe('pictures', () => {
  test('four of an evaluation, with their sizes, once they are drawn', async () => {
    const { hook, context, read, draw } = makeRun();
    await hook.onStart?.(context);
    hook.onEvent?.(evaluation(3));
    draw(3, ['000-a.png', '001-b.png', '002-c.png', '003-d.png', '004-e.png']);
    await hook.afterEpoch?.(context);
    const pictures = read().at(-1)?.pictures ?? {};
    assert.deepEqual(
      Object.keys(pictures),
      ['000-a', '001-b', '002-c', '003-d'].map((name) => `pictures/${name}.png`),
    );
    assert.deepEqual(
      [pictures['pictures/000-a.png']?.width, pictures['pictures/000-a.png']?.height],
      [32, 24],
    );
  });
  test('of ever fewer evaluations, and of the last', async () => {
    const { hook, context, read, draw } = makeRun();
    await hook.onStart?.(context);
    for (let n = 1; n <= 11; ++n) {
      hook.onEvent?.(evaluation(n));
      draw(n);
      await hook.afterEpoch?.(context);
    }
    hook.onEvent?.(end);
    const steps = read().flatMap((event) => (Object.keys(event.pictures).length > 0 ? [event.step] : []));
    assert.deepEqual(steps, [1, 2, 4, 8, 11]);
  });
  test('an evaluation without any costs nothing', async () => {
    const { hook, context, read, warnings } = makeRun();
    await hook.onStart?.(context);
    hook.onEvent?.(evaluation(1));
    await hook.afterEpoch?.(context);
    assert.equal(read().length, 1);
    assert.deepEqual(warnings, []);
  });
});

test('a log that cannot be written is told once, and tried again', async () => {
  const { hook, context, warnings, path, read } = makeRun();
  await hook.onStart?.(context);
  renameSync(path, `${path}-gone`);
  hook.onEvent?.(step(1));
  hook.onEvent?.(step(2));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /TensorBoard.*the run goes on/);
  mkdirSync(path);
  hook.onEvent?.(step(3));
  assert.deepEqual(
    read().map((event) => event.step),
    [3],
  );
  assert.ok(!existsSync(join(path, 'pictures')));
});
