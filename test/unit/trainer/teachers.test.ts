import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { HdError, type TrainEvent, Trainer } from '../../../lib/index.ts';
import { native } from '../../../lib/native.ts';
import { type RecipeInput, resolveRecipe } from '../../../lib/recipe/index.ts';
import {
  classRemarks,
  describeTeacher,
  distillOptions,
  type TeacherSummary,
} from '../../../lib/trainer/teachers.ts';
import { writePng } from '../cli/files.ts';

const folder = mkdtempSync(join(tmpdir(), 'hdtrain-teachers-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const teacher = join(folder, 'teacher', 'student.safetensors');

function recipe(more: Partial<RecipeInput> = {}): RecipeInput {
  return {
    model: { neckChannels: 32, headChannels: 32, headConvs: 1 },
    data: { format: 'synthetic', size: 64, train: { count: 4 } },
    train: { steps: 1, batch: 4, lr: 0.01, lrBatch: 0, threads: 1 },
    log: { every: 1 },
    ...more,
  };
}

const taught = (more: Partial<RecipeInput> = {}) =>
  recipe({
    teachers: [{ weights: teacher }],
    distill: [
      { transfer: 'localization' },
      { transfer: 'localization', region: 'valuable', preset: 'released' },
      { transfer: 'classification', name: 'classes', weight: 3 },
    ],
    ...more,
  });

const classes = ['circle', 'square', 'triangle', 'star'];
const optionsOf = (input: RecipeInput, names = classes) => distillOptions(resolveRecipe(input).recipe, names);

before(async () => {
  await new Trainer(recipe(), { run: join(folder, 'teacher') }).run();
});

describe('a trained student as a teacher', () => {
  test('describes itself: no field of its model need be given', async () => {
    const options = await optionsOf(taught());
    assert.equal(options?.teachers[0]?.model.headChannels, 32);
    assert.equal(options?.teachers[0]?.model.classes, 4);
    assert.equal(options?.teachers[0]?.model.norm, 'frozen');
    assert.equal(options?.teachers[0]?.classMap, null);
    assert.deepEqual(
      options?.distill.map(({ name, weight }) => [name, weight]),
      [
        ['ld', 0.75],
        ['ld_valuable', 0.25],
        ['classes', 3],
      ],
    );
    const [summary] = options?.summaries ?? [];
    assert.ok(summary && summary.tensors > 100);
    assert.match(
      describeTeacher(summary),
      /resnet18, 4 classes, all \d+ tensors matched, \w+; teaches ld, ld_valuable, classes$/,
    );
  });

  test('weights that a recipe leaves out are the published ones, by detector, region, preset and classes', async () => {
    const weights = async (model: RecipeInput['model'], preset: 'robust' | 'released', names = classes) => {
      const options = await optionsOf(
        taught({
          model,
          distill: [
            { transfer: 'localization', preset },
            { transfer: 'localization', region: 'valuable', preset },
            { transfer: 'classification', preset },
            { transfer: 'imitation', preset },
          ],
        }),
        names,
      );
      return options?.distill.map(({ weight }) => Number((weight as number).toFixed(6)));
    };
    assert.deepEqual(await weights({ detector: 'gfl' }, 'released'), [0.25, 0.25, 10, 2]);
    assert.deepEqual(await weights({ detector: 'gfl' }, 'robust'), [0.75, 0.75, 0.5, 2]);
    assert.deepEqual(await weights({ detector: 'gfl' }, 'robust', ['star', 'circle']), [0.75, 0.75, 0.25, 2]);
    assert.deepEqual(await weights({ detector: 'atss' }, 'released'), [0.25, 0.15, 10, 2]);
    assert.deepEqual(await weights({ detector: 'fcos' }, 'robust'), [0.5, 0.5, 0.5, 2]);
    assert.deepEqual(await weights({ detector: 'retinanet' }, 'released'), [5, 0.6, 10, 2]);
    assert.deepEqual(await weights({ detector: 'retinanet' }, 'robust'), [0.5, 0.06, 0.5, 2]);
  });

  test('without transfers there is no distillation, whatever teachers are listed', async () => {
    assert.equal(await optionsOf(recipe({ teachers: [{ weights: teacher }] })), null);
  });

  test('classes are matched by name', async () => {
    const map = async (names: string[], classMap?: Record<string, string>) =>
      (await optionsOf(taught({ teachers: [{ weights: teacher, classMap: classMap ?? null }] }), names))
        ?.teachers[0]?.classMap;
    assert.deepEqual(await map(['star', 'circle']), [3, 0]);
    assert.deepEqual(await map(['circle', 'square']), [0, 1]);
    assert.deepEqual(await map(['ball', 'star'], { ball: 'circle' }), [0, 3]);
    const strangers = map(['a', 'b', 'c', 'd']);
    await assert.rejects(strangers, {
      code: 'HD_RECIPE_TEACHER',
      message: /a, b, c, d.*teachers\.classes to 4/,
    });
    await assert.rejects(map(['circle', 'ball']), { code: 'HD_RECIPE_TEACHER', message: /ball.*classMap/ });
    await assert.rejects(map(['ball'], { ball: 'sphere' }), { code: 'HD_RECIPE_TEACHER' });
    await assert.rejects(map(['star'], { typo: 'circle' }), {
      message: /left of the classMap.*received typo/,
    });
  });

  test('a teacher with a number of classes is taken by number, and cannot be mapped', async () => {
    const map = async (names: string[], classMap: Record<string, string> | null) =>
      (await optionsOf(taught({ teachers: [{ weights: teacher, classes: 4, classMap }] }), names))
        ?.teachers[0]?.classMap;
    assert.equal(await map(['a', 'b', 'c', 'd'], null), null);
    await assert.rejects(map(['a', 'b', 'c', 'd'], { a: 'circle' }), {
      code: 'HD_RECIPE_TEACHER',
      message: /names of the teacher's classes.*teachers\.classes/,
    });
  });

  test('a run tells its teachers, and each transfer is a term of its own', async () => {
    const run = new Trainer(taught(), { run: join(folder, 'taught') }).run();
    const events: TrainEvent[] = [];
    for await (const event of run) events.push(event);
    const start = events.find((event) => event.type === 'start');
    assert.deepEqual(
      start?.teachers.map(({ transfers }) => transfers),
      [['ld', 'ld_valuable', 'classes']],
    );
    const step = events.find((event) => event.type === 'step');
    for (const term of ['cls', 'box', 'dfl', 'ld', 'ld_valuable', 'classes', 'total'])
      assert.ok(Number.isFinite(step?.losses[term]), term);
  });

  test('the teacher is no part of the student: its weights load without one', async () => {
    const again = recipe({
      model: { ...recipe().model, weights: join(folder, 'taught', 'student.safetensors') },
    });
    const end = await new Trainer(again, { run: join(folder, 'again') }).run();
    assert.equal(end.status, 'done');
  });
});

describe('what is refused', () => {
  const refused: [string, Partial<RecipeInput>, string, RegExp][] = [
    [
      'a missing file',
      { teachers: [{ weights: join(folder, 'none.pth') }] },
      'HD_WEIGHTS_MISSING',
      /none\.pth/,
    ],
    ['another head', { model: { ...recipe().model, regMax: 8 } }, 'HD_RECIPE_TEACHER', /regMax/],
    [
      'another network in the file',
      { teachers: [{ weights: teacher, backbone: 'resnet34' }] },
      'HD_WEIGHTS_MISMATCH',
      /backbone\.layer/,
    ],
  ];
  for (const [what, change, code, pattern] of refused) {
    test(`${what}: before the first step`, async () => {
      await assert.rejects(
        async () => new Trainer(taught(change), { run: mkdtempSync(join(folder, 'refused-')) }).run(),
        (error: Error) => error instanceof HdError && error.code === code && pattern.test(error.message),
      );
    });
  }

  test('a file that is no weights', async () => {
    const path = join(folder, 'text.safetensors');
    writeFileSync(path, 'no weights');
    await assert.rejects(optionsOf(taught({ teachers: [{ weights: path }] })), HdError);
  });

  const conflicts: [string, Partial<RecipeInput>, RegExp][] = [
    ['a transfer without a teacher', { teachers: [] }, /distill\.0\.teacher/],
    [
      'a teacher that is not listed',
      { distill: [{ transfer: 'localization', teacher: 1 }] },
      /a number below 1/,
    ],
    [
      'two terms of one name',
      { distill: [{ transfer: 'localization' }, { transfer: 'localization' }] },
      /distill\.1\.name/,
    ],
    ['a name of the detector', { distill: [{ transfer: 'localization', name: 'box' }] }, /distill\.0\.name/],
  ];
  for (const [what, change, pattern] of conflicts) {
    test(`${what} is a problem of the recipe`, () => {
      assert.throws(() => resolveRecipe(taught(change)), pattern);
    });
  }

  test('what is legal but rarely meant is a warning', () => {
    const unused = recipe({ teachers: [{ weights: teacher }] });
    assert.match(resolveRecipe(unused).warnings.join('\n'), /no transfer learns/);
    const softmax = taught({ model: { ...recipe().model, classes: ['thing'] } });
    assert.match(resolveRecipe(softmax).warnings.join('\n'), /'binary'/);
  });
});

describe('a data set of one class', () => {
  const pictures = join(folder, 'one');
  const boxed: RecipeInput['data'] = {
    format: 'yolo',
    size: 64,
    train: { images: join(pictures, 'images'), labels: join(pictures, 'labels'), classes: ['circle'] },
  };
  const remark =
    /^distill\.2\.kind: a softmax over one class teaches nothing: choose 'binary' \(.* one class, circle\)$/;

  before(() => {
    mkdirSync(join(pictures, 'labels'), { recursive: true });
    for (let i = 0; i < 4; ++i) {
      writePng(join(pictures, 'images', `${i}.png`), 64, 64, i);
      writeFileSync(join(pictures, 'labels', `${i}.txt`), '0 0.5 0.5 0.5 0.5\n');
    }
  });

  test('is told of when the data is open, and only where nothing is taught', () => {
    const { recipe: read, warnings } = resolveRecipe(taught());
    assert.doesNotMatch(warnings.join(' '), /'binary'/);
    assert.match(classRemarks(read, ['circle']).join('\n'), remark);
    assert.deepEqual(classRemarks(read, ['circle', 'square']), []);
    const binary = resolveRecipe(
      taught({ distill: [{ transfer: 'classification', kind: 'binary' }] }),
    ).recipe;
    assert.deepEqual(classRemarks(binary, ['circle']), []);
    const stated = resolveRecipe(taught({ model: { ...recipe().model, classes: 1 } }));
    assert.equal(stated.warnings.filter((warning) => warning.includes("'binary'")).length, 1);
    assert.deepEqual(classRemarks(stated.recipe, ['circle']), [], 'said by the recipe alone');
  });

  test('stands among the warnings of a run', async () => {
    let start: Extract<TrainEvent, { type: 'start' }> | undefined;
    const trainer = new Trainer(taught({ data: boxed }), { run: join(folder, 'one-run') });
    for await (const event of trainer.run()) if (event.type === 'start') start = event;
    assert.match(start?.warnings.join('\n') ?? '', new RegExp(remark.source, 'm'));
  });
});

describe('GFL v2', () => {
  const second = { detector: 'gflv2' as const, neckChannels: 32, headChannels: 32, headConvs: 1 };
  const weights = join(folder, 'second', 'student.safetensors');
  const distill = [
    { transfer: 'localization' as const },
    { transfer: 'classification' as const },
    { transfer: 'imitation' as const, kind: 'gibox' as const },
  ];

  test('trains, describes itself and teaches the next one; a GFL teacher of its classes is refused', async () => {
    await new Trainer(recipe({ model: second }), { run: join(folder, 'second') }).run();
    const options = await optionsOf(recipe({ model: second, teachers: [{ weights }], distill }));
    assert.equal(options?.teachers[0]?.model.detector, 'gflv2');
    const events: TrainEvent[] = [];
    const run = new Trainer(recipe({ model: second, teachers: [{ weights }], distill }), {
      run: join(folder, 'third'),
    }).run();
    for await (const event of run) events.push(event);
    const step = events.find((event) => event.type === 'step');
    assert.deepEqual(Object.keys(step?.losses ?? {}).sort(), [
      'box',
      'cls',
      'dfl',
      'imitation',
      'kd',
      'ld',
      'total',
    ]);
    const mixed = recipe({ model: second, teachers: [{ weights: teacher }], distill });
    await assert.rejects(async () => new Trainer(mixed, { run: join(folder, 'mixed') }).run(), {
      code: 'HD_RECIPE_TEACHER',
      message: /the detector gflv2 .* received gfl/,
    });
  });
});

describe('the arithmetic of a teacher', () => {
  const precisionOf = async (precision?: 'auto' | 'fp32' | 'bf16') => {
    const options = await optionsOf(
      taught({ teachers: [{ weights: teacher, ...(precision && { precision }) }] }),
    );
    return options?.teachers[0]?.precision;
  };

  test('is bf16 where that pays, and what the recipe asks for elsewhere', async () => {
    const { bf16Pays } = native().info();
    assert.equal(await precisionOf(), bf16Pays ? 'bf16' : 'fp32');
    assert.equal(await precisionOf('auto'), bf16Pays ? 'bf16' : 'fp32');
    assert.equal(await precisionOf('fp32'), 'fp32');
    assert.equal(await precisionOf('bf16'), 'bf16');
  });

  test('both teach nearly the same, and say which they are', async () => {
    const lossOf = async (precision: 'fp32' | 'bf16') => {
      const events: TrainEvent[] = [];
      const input = taught({ teachers: [{ weights: teacher, precision }] });
      for await (const event of new Trainer(input, { run: join(folder, precision) }).run())
        events.push(event);
      const step = events.find((event) => event.type === 'step');
      const start = events.find((event) => event.type === 'start');
      assert.match(
        describeTeacher(start?.teachers[0] as TeacherSummary),
        new RegExp(`tensors matched, ${precision};`),
      );
      return step?.losses?.ld ?? Number.NaN;
    };
    const [exact, rounded] = [await lossOf('fp32'), await lossOf('bf16')];
    assert.notEqual(exact, rounded);
    assert.ok(Math.abs(rounded / exact - 1) < 0.05, `${rounded} against ${exact}`);
  });
});

test('with a cache the teacher runs once a picture, and the log says how often it was spared', async () => {
  const cache = { folder: join(folder, 'cache'), limit: 1 };
  const events: TrainEvent[] = [];
  const input = taught({
    teachers: [{ weights: teacher, cache }],
    data: { format: 'synthetic', size: 64, train: { count: 4 }, augment: [] },
    train: { steps: 3, batch: 4, lr: 0.01, lrBatch: 0, threads: 1 },
  });
  for await (const event of new Trainer(input, { run: join(folder, 'cached') }).run()) events.push(event);
  const counts = events.flatMap((event) => (event.type === 'step' ? [event.agreement?.[0]?.cache] : []));
  assert.deepEqual(
    counts.map((count) => [count?.hits, count?.misses, count?.full]),
    [
      [0, 4, false],
      [4, 4, false],
      [8, 4, false],
    ],
  );
  assert.ok((counts[0]?.bytes ?? 0) > 0);
});
