/** Pascal VOC as its released recipes train it: several places, repeated, measured at ten thresholds. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { native } from '../../../lib/native.ts';
import { type Recipe, type RecipeInput, resolveRecipe } from '../../../lib/recipe/index.ts';
import { openData, openLoader } from '../../../lib/trainer/setup.ts';
import { Trainer } from '../../../lib/trainer/trainer.ts';
import { temporaryFolder } from '../../faults/command.ts';
import { writePng } from '../cli/files.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

const keys = [50, 55, 60, 65, 70, 75, 80, 85, 90, 95].map((percent) => `ap${percent}`);

function place(year: string) {
  return { images: join(folder, year, 'JPEGImages'), annotations: join(folder, year, 'Annotations') };
}

function writePlace(year: string, pictures: number): void {
  mkdirSync(place(year).annotations, { recursive: true });
  for (let i = 0; i < pictures; ++i) {
    writePng(join(place(year).images, `${year}_${i}.png`), 64, 48, i + Number(year));
    const objects = ['cat', 'dog'].map(
      (name, k) =>
        `<object><name>${name}</name><bndbox><xmin>${5 + 8 * k}</xmin><ymin>5</ymin><xmax>${40 + 8 * k}</xmax><ymax>40</ymax></bndbox></object>`,
    );
    writeFileSync(
      join(place(year).annotations, `${year}_${i}.xml`),
      `<annotation>${objects.join('')}</annotation>`,
    );
  }
}

function recipeOf(repeat: number): Recipe {
  const input = {
    model: { neckChannels: 32, headChannels: 32, headConvs: 1 },
    data: {
      format: 'voc',
      size: 64,
      repeat,
      train: { ...place('2007'), also: [place('2012')] },
      val: place('2007'),
      augment: [{ flip: {} }, { colour: {} }],
    },
    train: { epochs: 1, batch: 4, threads: 1 },
    eval: { metric: 'voc', interpolation: '11point', best: 'ap', pictures: 0 },
  };
  return resolveRecipe(input as RecipeInput).recipe;
}

before(() => {
  writePlace('2007', 3);
  writePlace('2012', 5);
});

describe('VOC in two places', () => {
  test('is one data set; validation is its own', async () => {
    const { trainSet, valSet } = await openData(recipeOf(1));
    assert.deepEqual([trainSet.length, valSet?.length], [8, 3]);
    assert.match(trainSet.image(7).file, /2012_4\.png$/);
    assert.deepEqual(trainSet.classes, ['cat', 'dog']);
  });

  test('an epoch goes through it as often as the recipe says, each time augmented anew', async () => {
    const { trainSet } = await openData(recipeOf(3));
    const loader = openLoader(recipeOf(3), trainSet, true, 32);
    assert.equal(loader.stepsPerEpoch, 6);
    loader.begin(0, 0);
    const seen = new Map<number, Set<string>>();
    for (let step = 0; step < 6; ++step) {
      const batch = await loader.next();
      assert.ok(batch);
      const size = batch.pixels.byteLength / batch.count;
      for (const [i, { image }] of batch.images.entries()) {
        const pixels = Buffer.from(batch.pixels, i * size, size).toString('latin1');
        seen.set(image, (seen.get(image) ?? new Set()).add(pixels));
      }
    }
    loader.close();
    assert.deepEqual(
      [...seen.values()].map((different) => different.size),
      Array(8).fill(3),
    );
  });

  test('trains, and its ten numbers stand in metrics.jsonl', async () => {
    const run = join(folder, 'run');
    const result = await new Trainer(recipeOf(2), { run }).run();
    assert.deepEqual([result.status, result.step], ['done', 4]);
    const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
    const { eval: metrics } = JSON.parse(lines.at(-1) as string);
    const values = keys.map((key) => metrics[key] as number);
    assert.ok(values.every((value) => value >= 0 && value <= 1));
    assert.ok(Math.abs(metrics.ap - values.reduce((a, b) => a + b) / 10) < 1e-9);
  });
});

test('a stream cannot be gone through twice in an epoch', async () => {
  const dataset = await native().openDataset({
    format: 'synthetic',
    split: 'train',
    seed: 0,
    count: 4,
    size: [64, 64],
  });
  assert.throws(() => openLoader(recipeOf(2), dataset, true, 32, true), /HD_USAGE_SOURCE|data\.repeat/);
  openLoader(recipeOf(1), dataset, true, 32, true).close();
});
