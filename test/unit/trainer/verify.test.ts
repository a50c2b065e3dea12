import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Trainer } from '../../../lib/index.ts';
import { native } from '../../../lib/native.ts';
import { type RecipeInput, resolveRecipe } from '../../../lib/recipe/index.ts';
import type { StartEvent, StepEvent, TrainEvent } from '../../../lib/trainer/events.ts';
import { describeTeacher } from '../../../lib/trainer/teachers.ts';
import { recipeOf, writeStudent } from './fixtures.ts';

const folder = mkdtempSync(join(tmpdir(), 'hdtrain-verify-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const teacher = join(folder, 'teacher', 'student.safetensors');

function recipe(more: Partial<RecipeInput> = {}): RecipeInput {
  return {
    model: { neckChannels: 32, headChannels: 32, headConvs: 1 },
    data: { format: 'synthetic', size: 64, train: { count: 4 }, val: { count: 12 } },
    train: { steps: 1, batch: 4, lr: 0.01, lrBatch: 0, threads: 1 },
    eval: { every: 1, scoreThreshold: 0.001 },
    log: { every: 1 },
    ...more,
  };
}

type Teacher = NonNullable<RecipeInput['teachers']>[number];
const taught = (section: Partial<Teacher>, more: Partial<RecipeInput> = {}) =>
  recipe({
    teachers: [{ weights: teacher, ...section }],
    distill: [{ transfer: 'localization' }, { transfer: 'classification' }, { transfer: 'imitation' }],
    ...more,
  });

async function eventsOf(input: RecipeInput, run: string): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of new Trainer(input, { run: join(folder, run) }).run()) events.push(event);
  return events;
}

let ownAp = Number.NaN;
before(async () => {
  const result = await new Trainer(recipe(), { run: join(folder, 'teacher') }).run();
  ownAp = Number(result.metrics?.ap);
});

describe('teachers[].verify', () => {
  test('tells what the teacher is worth on the student’s pictures, as an evaluation of its own found', async () => {
    const [start] = await eventsOf(taught({ verify: { images: 200 } }), 'all');
    const { verified } = (start as StartEvent).teachers[0] ?? {};
    assert.equal(verified?.images, 12);
    assert.ok(Math.abs((verified?.ap ?? Number.NaN) - ownAp) < 1e-9, `${verified?.ap} against ${ownAp}`);
    assert.match(
      describeTeacher((start as StartEvent).teachers[0] as never),
      /, AP 0\.\d{3} on 12 pictures;/,
    );
  });

  test('takes the first pictures only, whole batches of them', async () => {
    const [start] = await eventsOf(taught({ verify: { images: 3 } }), 'some');
    assert.equal((start as StartEvent).teachers[0]?.verified?.images, 4);
  });

  test('a teacher whose classes nobody can match is told of, not measured', async () => {
    const plain = join(folder, 'plain.safetensors');
    await writeStudent(plain, recipeOf({ model: { classes: 7 } }));
    await native().importWeights(plain, join(folder, 'foreign.safetensors'), {});
    const model = { backbone: 'resnet18', neckChannels: 32, headChannels: 32, headConvs: 1 } as const;
    const section = { weights: join(folder, 'foreign.safetensors'), classes: 7, ...model, verify: {} };
    const input = recipe({ teachers: [section], distill: [{ transfer: 'localization' }] });
    const events = await eventsOf(input, 'unmatched');
    const start = events.find((event) => event.type === 'start') as StartEvent;
    assert.equal(start.teachers[0]?.verified, undefined);
    assert.match(
      start.warnings.join('\n'),
      /is not verified: it has 7 classes and the data 4, .*teachers\.classes/,
    );
  });

  test('a teacher below minAp stops the run before its first step', async () => {
    await assert.rejects(eventsOf(taught({ verify: { minAp: 0.99 } }), 'weak'), {
      code: 'HD_RECIPE_TEACHER',
      message: /an AP of at least 0.99 from teacher .*student\.safetensors on 12 validation pictures/,
    });
    assert.equal(existsSync(join(folder, 'weak')), false);
  });

  test('without validation pictures the recipe is refused', () => {
    assert.throws(
      () =>
        resolveRecipe(
          taught({ verify: {} }, { data: { format: 'synthetic', size: 64, train: { count: 4 }, val: null } }),
        ),
      /teachers\.0\.verify/,
    );
  });
});

describe('what a log says of distillation', () => {
  test('shares add up to one, agreement is measured, and the numbers are in metrics.jsonl', async () => {
    const events = await eventsOf(taught({}, { train: { steps: 3, batch: 4, threads: 1 } }), 'shares');
    const steps = events.filter((event): event is StepEvent => event.type === 'step');
    assert.equal(steps.length, 3);
    for (const { shares = {}, agreement = [], losses } of steps) {
      assert.deepEqual(Object.keys(shares).sort(), ['box', 'cls', 'dfl', 'imitation', 'kd', 'ld']);
      for (const kind of ['loss', 'gradient'] as const) {
        const sum = Object.values(shares).reduce((total, share) => total + share[kind], 0);
        assert.ok(Math.abs(sum - 1) < 1e-9);
      }
      assert.ok((losses.imitation ?? 0) > 0);
      assert.equal(agreement.length, 1);
      const [{ rows = 0, sides = [], sameClass = -1, scoreDifference = -1 } = {}] = agreement;
      assert.ok(rows > 0);
      assert.equal(sides.length, 4);
      assert.ok(sides.every((divergence) => divergence >= 0));
      assert.ok(sameClass >= 0 && sameClass <= 1 && scoreDifference >= 0 && scoreDifference <= 1);
    }
    const line = JSON.parse(
      readFileSync(join(folder, 'shares', 'metrics.jsonl'), 'utf8').split('\n')[0] ?? '',
    );
    assert.deepEqual(line.shares, steps[0]?.shares);
  });

  test('a student that starts as its teacher agrees with it', async () => {
    const events = await eventsOf(
      taught(
        // A bf16 plan rounds folded weights, a student rounds them as they are.
        { precision: 'fp32' },
        {
          model: { weights: teacher, neckChannels: 32, headChannels: 32, headConvs: 1, norm: 'eval' },
          train: { ...recipe().train, precision: 'fp32' },
        },
      ),
      'same',
    );
    const step = events.find((event): event is StepEvent => event.type === 'step');
    const [{ sides = [], sameClass = 0, scoreDifference = 1 } = {}] = step?.agreement ?? [];
    assert.equal(sameClass, 1);
    assert.ok(scoreDifference < 1e-4);
    assert.ok(sides.every((divergence) => divergence < 1e-4));
    assert.ok((step?.losses.ld ?? 1) < 1e-4 && (step?.losses.imitation ?? 1) < 1e-6);
  });

  test('a plain run has neither', async () => {
    const step = (await eventsOf(recipe(), 'plain')).find((event) => event.type === 'step') as StepEvent;
    assert.equal(step.shares, undefined);
    assert.equal(step.agreement, undefined);
  });
});
