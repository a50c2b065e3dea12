import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { type NativeAddon, type NativeDataset, type NativeLoader, native } from '../../../../lib/native.ts';
import { type EvaluateHook, evaluateHook, measureOf } from '../../../../lib/trainer/hooks/evaluate.ts';
import { RunFolder } from '../../../../lib/trainer/run-folder.ts';
import { temporaryFolder } from '../../../faults/command.ts';
import { contextOf, fakeSession, openTrain, recipeOf, type Sections } from '../fixtures.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));
let runs = 0;

let dataset: NativeDataset;
before(async () => {
  dataset = await openTrain(recipeOf({ data: { train: { count: 2 } } as Sections['data'] }));
});

/** What the next evaluations will say; the real arithmetic is tested in test/native/eval. */
let results: Record<string, unknown>[] = [];
let real: NativeAddon['Evaluator'];
beforeEach(() => {
  real = native().Evaluator;
  native().Evaluator = class {
    async summarize() {
      return results.shift() ?? assert.fail('one evaluation too many');
    }
    async diagnose() {
      return { ap: 0.5 };
    }
    detections() {
      return { boxes: new Float32Array(), scores: new Float32Array(), labels: new Int32Array() };
    }
  } as never;
});
afterEach(() => {
  native().Evaluator = real;
});

/** Three epochs of three steps. */
function makeRun(sections: Sections = {}, given: { valSet?: NativeDataset | null; step?: number } = {}) {
  const loaders = new Set<NativeLoader>();
  const session = fakeSession({
    divisor: 32,
    detect: async (loader) => {
      loaders.add(loader);
      return { images: (await loader.next())?.count ?? 0 };
    },
  });
  const valSet = given.valSet === undefined ? dataset : given.valSet;
  const folder = new RunFolder(join(root, `run-${runs++}`));
  mkdirSync(folder.path);
  // Most tests here want none.
  const context = contextOf(recipeOf({ ...sections, eval: { pictures: 0, ...sections.eval } }), {
    folder,
    trainSet: dataset,
    valSet,
    session,
    step: given.step ?? 0,
  });
  async function epoch(hook: EvaluateHook, steps = 3) {
    for (let i = 0; i < steps; ++i) {
      context.epoch = Math.floor(context.step / 3);
      context.step += 1;
      await hook.afterStep?.(context, {} as never);
    }
    await hook.afterEpoch?.(context);
  }
  const told = () => context.events.flatMap((event) => (event.type === 'eval' ? [event] : []));
  return { context, loaders, epoch, told };
}

describe('when the network is measured', () => {
  for (const [every, steps] of [
    [1, [3, 6, 9]],
    [2, [6, 9]],
    [0, [9]],
    [5, [9]],
  ] as const) {
    test(`every ${every} epochs: after steps ${steps.join(', ')}`, async () => {
      results = steps.map(() => ({ ap: 0.5 }));
      const [run, hook] = [makeRun({ eval: { every } }), evaluateHook()];
      await hook.onStart?.(run.context);
      for (let i = 0; i < 3; ++i) await run.epoch(hook);
      await hook.onEnd?.(run.context);
      assert.deepEqual(
        run.told().map(({ step }) => step),
        steps,
      );
      assert.equal(results.length, 0);
    });
  }
  test('a run that ends inside an epoch is measured at its end', async () => {
    results = [{ ap: 0.5 }, { ap: 0.6 }];
    const [run, hook] = [makeRun(), evaluateHook()];
    Object.assign(run.context, { timeline: { stepsPerEpoch: 3, totalSteps: 5 } });
    await run.epoch(hook);
    await run.epoch(hook, 2);
    await hook.onEnd?.(run.context);
    assert.deepEqual(
      run.told().map(({ step, epoch }) => [step, epoch]),
      [
        [3, 0],
        [5, 1],
      ],
    );
  });
  test('without data.val never', async () => {
    const [run, hook] = [makeRun({}, { valSet: null }), evaluateHook()];
    await hook.onStart?.(run.context);
    for (let i = 0; i < 3; ++i) await run.epoch(hook);
    await hook.onEnd?.(run.context);
    assert.deepEqual([run.context.events, hook.lastMetrics(), hook.lastEvaluator()], [[], null, null]);
  });
  test('one loader serves the whole run, and is closed at its end', async () => {
    results = [{ ap: 0 }, { ap: 0 }, { ap: 0 }];
    const [run, hook] = [makeRun(), evaluateHook()];
    for (let i = 0; i < 3; ++i) await run.epoch(hook);
    assert.equal(run.loaders.size, 1);
    await hook.onEnd?.(run.context);
    assert.throws(() => [...run.loaders][0]?.stepsPerEpoch, { code: 'HD_USAGE' });
  });
  test('progress is told up to the last picture, before the numbers', async () => {
    results = [{ ap: 0.25, perClass: [] }];
    const [run, hook] = [makeRun({ train: { batch: 1 } }), evaluateHook()];
    await run.epoch(hook);
    await hook.onEnd?.(run.context);
    assert.deepEqual(
      run.context.events.map((event) => (event.type === 'progress' ? [event.done, event.total] : event.type)),
      [[1, 2], [2, 2], [2, 2], 'eval'],
    );
    const [event] = run.told();
    assert.deepEqual(event?.eval, { ap: 0.25, perClass: [] });
    assert.equal(hook.lastMetrics(), event?.eval);
  });
});

describe('what it leaves in the run folder', () => {
  test('the diagnosis of the last evaluation, and pictures of each', async () => {
    results = [{ ap: 0.5 }, { ap: 0.6 }];
    const [run, hook] = [makeRun({ eval: { pictures: 1 } }), evaluateHook()];
    await run.epoch(hook);
    const [first] = hook.lastPictures();
    await run.epoch(hook);
    await hook.onEnd?.(run.context);
    const { folder } = run.context;
    const { step, classes, ap } = JSON.parse(readFileSync(folder.file('diagnosis.json'), 'utf8'));
    assert.deepEqual([step, classes, ap], [6, dataset.classes, 0.5]);
    assert.deepEqual(readdirSync(folder.file('pictures')), ['step-0000000003', 'step-0000000006']);
    assert.ok(existsSync(first ?? '') && first?.includes('step-0000000003'));
    assert.equal(hook.lastPictures().length, 1);
  });
  test('when it cannot be written, the run goes on and says so', async () => {
    results = [{ ap: 0.5 }];
    const [run, hook] = [makeRun({ eval: { pictures: 1 } }), evaluateHook()];
    rmSync(run.context.folder.path, { recursive: true });
    await run.epoch(hook);
    await hook.onEnd?.(run.context);
    assert.deepEqual(
      run.context.events.flatMap((event) => (event.type === 'warning' ? [event.message] : [])).length,
      1,
    );
    assert.deepEqual([run.told().length, hook.lastPictures()], [1, []]);
  });
  test('pictures of a program’s own source are left to the trainer: a stream gives each of them once', async () => {
    results = [{ ap: 0.5 }];
    const [run, hook] = [
      makeRun({ eval: { pictures: 1 }, data: { format: 'source', train: {}, val: {} } as never }),
      evaluateHook(),
    ];
    await run.epoch(hook);
    await hook.onEnd?.(run.context);
    assert.deepEqual(readdirSync(run.context.folder.path), ['diagnosis.json']);
  });
});

describe('the best', () => {
  test('is the first of the highest, by the number that the recipe names', async () => {
    const values = fc.array(fc.constantFrom(0, 0.1, 0.2, 0.3, -1, Number.NaN, undefined), {
      minLength: 1,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(values, async (given) => {
        results = given.map((ap50) => ({ ap: Math.random(), ap50 }));
        const [run, hook] = [makeRun({ eval: { best: 'ap50' } }), evaluateHook()];
        Object.assign(run.context, { timeline: { stepsPerEpoch: 3, totalSteps: 99 } });
        const flags: boolean[] = [];
        for (let i = 0; i < given.length; ++i) {
          await run.epoch(hook);
          flags.push(hook.isBest());
        }
        await hook.onEnd?.(run.context);
        let highest = -1;
        const expected = given.map((value) => {
          const better = value !== undefined && value > highest;
          if (better) highest = value;
          return better;
        });
        assert.deepEqual(flags, expected);
        assert.deepEqual(
          run.told().map(({ best }) => best),
          expected,
        );
      }),
      { numRuns: 15 },
    );
  });
  test('belongs to the step that was measured: the next step is not the best', async () => {
    results = [{ ap: 0.9 }];
    const [run, hook] = [makeRun(), evaluateHook()];
    await run.epoch(hook);
    assert.equal(hook.isBest(), true);
    run.context.step += 1;
    hook.afterStep?.(run.context, {} as never);
    assert.equal(hook.isBest(), false);
    await hook.onEnd?.(run.context);
  });
});

describe('state', () => {
  async function resumed(state: unknown, step: number, next: Record<string, unknown>[] = []) {
    results = next;
    const [run, hook] = [makeRun({}, { step }), evaluateHook()];
    hook.restore?.(JSON.parse(JSON.stringify({ measure: measureOf(run.context), ...(state as object) })));
    await hook.onStart?.(run.context);
    return { run, hook };
  }

  test('survives JSON, also before anything was measured', () => {
    const hook = evaluateHook();
    const state = JSON.parse(JSON.stringify(hook.state?.()));
    assert.deepEqual(state, { step: -1, best: null, bestStep: -1, measure: '' });
    hook.restore?.(state);
    assert.deepEqual(hook.state?.(), state);
  });
  test('a resumed run knows the best of the run before', async () => {
    const { run, hook } = await resumed({ step: 3, best: 0.7, bestStep: 3 }, 3, []);
    assert.equal(hook.isBest(), true);
    results = [{ ap: 0.6 }, { ap: 0.8 }];
    await run.epoch(hook);
    await run.epoch(hook);
    await hook.onEnd?.(run.context);
    assert.deepEqual(
      run.told().map(({ best }) => best),
      [false, true],
    );
    assert.deepEqual(hook.state?.(), { step: 9, best: 0.8, bestStep: 9, measure: measureOf(run.context) });
  });
  test('an evaluation that was left is missed; one that was done, or is not due, is not', async () => {
    const missed = async (saved: number, step: number) => {
      const { run, hook } = await resumed({ step: saved, best: 0.7, bestStep: 3 }, step);
      assert.deepEqual(run.told(), []);
      return hook.missed(run.context);
    };
    assert.equal(await missed(3, 6), true);
    assert.equal(await missed(6, 6), false);
    assert.equal(await missed(3, 5), false);
    assert.equal(await missed(6, 9), true);
    const { context } = makeRun({}, { step: 6, valSet: null });
    assert.equal(evaluateHook().missed(context), false);
    assert.equal(evaluateHook().missed(makeRun().context), false);
  });
  test('numbers of another kind, or of other pictures, are not compared', async () => {
    const { run, hook } = await resumed({ step: 3, best: 0.7, bestStep: 3, measure: 'another' }, 3);
    assert.match(JSON.stringify(run.context.events), /earlier evaluations no longer count/);
    assert.equal(hook.isBest(), false);
    assert.equal(hook.missed(run.context), false);
    results = [{ ap: 0.2 }];
    await run.epoch(hook);
    assert.equal(hook.isBest(), true);
    await hook.onEnd?.(run.context);
    const measures = [{}, { every: 2, pictures: 3 }, { best: 'ap50' }, { iouThreshold: 0.4 }].map((eval_) =>
      measureOf(makeRun({ eval: eval_ } as Sections).context),
    );
    assert.equal(measures[0], measures[1]);
    assert.equal(new Set(measures).size, 3);
  });
});
