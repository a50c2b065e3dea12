import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { native } from '../../../lib/native.ts';
import { type RecipeInput, resolveRecipe } from '../../../lib/recipe/index.ts';
import {
  environmentOf,
  precisionOf,
  recipeDigest,
  teachersDigest,
  threadsOf,
} from '../../../lib/trainer/digest.ts';
import { recipeOf, type Sections } from './fixtures.ts';

const base = recipeDigest(recipeOf());

describe('recipeDigest', () => {
  test('is sixteen hexadecimal digits, the same each time', () => {
    assert.match(base, /^[0-9a-f]{16}$/);
    assert.equal(recipeDigest(recipeOf()), base);
  });

  const decisive: [string, Sections][] = [
    ['the network', { model: { headConvs: 2 } }],
    ['the classes', { model: { classes: 7 } }],
    ['the length of training', { train: { epochs: 4 } }],
    ['the rate', { train: { lr: 0.02 } }],
    ['the batch', { train: { batch: 6 } }],
    ['micro-batches', { train: { accumulate: 2 } }],
    ['the optimiser', { train: { optimizer: { momentum: 0.8 } } }],
    ['a schedule', { train: { schedule: { kind: 'constant' } } }],
    ['the seed', { train: { seed: 1 } }],
    ['frozen parameters', { train: { freeze: ['backbone.*'] } }],
    ['the moving average', { train: { ema: {} } }],
    ['the size of pictures', { data: { size: 96 } }],
    ['the pictures', { data: { seed: 4 } }],
    ['augmentation', { data: { augment: [] } }],
  ];
  for (const [what, change] of decisive) {
    test(`${what}: decides what the weights become`, () => {
      assert.notEqual(recipeDigest(recipeOf(change)), base);
    });
  }

  const harmless: [string, Sections][] = [
    ['threads', { train: { threads: 2 } }],
    ['precision', { train: { precision: 'bf16' } }],
    ['decode threads', { data: { workers: 3 } }],
    ['slots', { data: { slots: 7 } }],
    ['the cache of pictures', { data: { cache: 'disk', cacheLimit: 9, cacheFolder: 'kept' } }],
    ['validation pictures', { data: { val: { count: 9 } } as Sections['data'] }],
    ['evaluation', { eval: { every: 3, scoreThreshold: 0.5, pictures: 0 } }],
    ['saving', { checkpoint: { epochs: 0.5, keep: 9 } }],
    ['the log', { log: { every: 1 } }],
  ];
  test('the place of fetched shards may change, the shards may not', () => {
    const of = (shards: string, shardCache: Record<string, unknown>) =>
      recipeDigest(
        resolveRecipe({ data: { format: 'webdataset', train: { shards }, shardCache } } as RecipeInput)
          .recipe,
      );
    const one = of('https://x.org/a.tar', {});
    assert.equal(of('https://x.org/a.tar', { folder: '/elsewhere', limit: 3 }), one);
    assert.notEqual(of('https://x.org/b.tar', {}), one);
  });
  for (const [what, change] of harmless) {
    test(`${what}: may change when a run goes on`, () => {
      assert.equal(recipeDigest(recipeOf(change)), base);
    });
  }

  test('the order in which fields are written does not matter', () => {
    const sections: [string, Record<string, unknown>][] = [
      ['model', { headConvs: 1, neckChannels: 32, backbone: 'resnet18' }],
      ['data', { val: { count: 2 }, format: 'synthetic', train: { count: 4 } }],
      ['train', { batch: 2, lr: 0.1, epochs: 3 }],
    ];
    const digestOf = (order: [string, Record<string, unknown>][]) =>
      recipeDigest(resolveRecipe(Object.fromEntries(order) as unknown as RecipeInput).recipe);
    const expected = digestOf(sections);
    const orders = fc.record({
      sections: fc.shuffledSubarray(sections, { minLength: 3 }),
      reversed: fc.boolean(),
    });
    fc.assert(
      fc.property(orders, ({ sections: order, reversed }) => {
        const fields = (given: Record<string, unknown>) =>
          reversed ? Object.fromEntries(Object.entries(given).reverse()) : given;
        return digestOf(order.map(([name, given]) => [name, fields(given)])) === expected;
      }),
      { numRuns: 20 },
    );
  });
});

describe('what auto means on this machine', () => {
  test('precision: bf16 exactly where that is faster', () => {
    assert.equal(precisionOf(recipeOf()), native().info().bf16Pays ? 'bf16' : 'fp32');
    for (const precision of ['fp32', 'bf16'] as const)
      assert.equal(precisionOf(recipeOf({ train: { precision } })), precision);
  });
  test('threads: one a core', () => {
    assert.equal(threadsOf(recipeOf({ train: { threads: 'auto' } })), availableParallelism());
    assert.equal(threadsOf(recipeOf({ train: { threads: 5 } })), 5);
  });
});

test('the environment names all that bit-equality depends on besides the folder', () => {
  const { build, torch, capability } = native().info();
  assert.deepEqual(environmentOf(recipeOf({ train: { precision: 'fp32', threads: 3 } })), {
    build,
    torch,
    capability,
    precision: 'fp32',
    threads: 3,
  });
});

describe('teachersDigest', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hdtrain-digest-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const digestOf = (...contents: string[]) => {
    const teachers = contents.map((content, i) => {
      const weights = join(folder, `teacher-${i}.safetensors`);
      writeFileSync(weights, content);
      return { weights };
    });
    const { recipe } = resolveRecipe({
      data: { format: 'synthetic', train: { count: 4 } },
      teachers,
      distill: teachers.map((_, teacher) => ({ transfer: 'localization', teacher, name: `ld${teacher}` })),
    });
    return teachersDigest(recipe);
  };

  test('is empty without teachers', async () => assert.equal(await digestOf(), ''));

  test('is that of the contents, in order, with their bounds', async () => {
    const one = await digestOf('weights');
    assert.match(one, /^[0-9a-f]{16}$/);
    assert.equal(await digestOf('weights'), one);
    const different = [
      await digestOf('weightz'),
      await digestOf('weights', ''),
      await digestOf('weig', 'hts'),
    ];
    assert.equal(new Set([one, ...different, await digestOf('hts', 'weig')]).size, 5);
  });

  test('is read once a recipe', async () => {
    const weights = join(folder, 'once.safetensors');
    writeFileSync(weights, 'a');
    const { recipe } = resolveRecipe({
      data: { format: 'synthetic', train: { count: 4 } },
      teachers: [{ weights }],
      distill: [{ transfer: 'localization' }],
    });
    const first = await teachersDigest(recipe);
    writeFileSync(weights, 'b');
    assert.equal(await teachersDigest(recipe), first);
  });

  test('teachers that nothing is learned from are not read', async () => {
    const { recipe } = resolveRecipe({
      data: { format: 'synthetic', train: { count: 4 } },
      teachers: [{ weights: join(folder, 'nowhere.safetensors') }],
    });
    assert.equal(await teachersDigest(recipe), '');
  });

  test('a file that went away is an error, not an empty digest', async () => {
    const { recipe } = resolveRecipe({
      data: { format: 'synthetic', train: { count: 4 } },
      teachers: [{ weights: join(folder, 'gone.safetensors') }],
      distill: [{ transfer: 'localization' }],
    });
    await assert.rejects(teachersDigest(recipe), /ENOENT/);
  });
});
