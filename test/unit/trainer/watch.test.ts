import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLoader } from '../../../lib/trainer/setup.ts';
import { watchLoader } from '../../../lib/trainer/watch.ts';
import { temporaryFolder } from '../../faults/command.ts';
import { cocoOf, writeCoco } from '../../faults/folders.ts';
import { openTrain, recipeOf, type Sections } from './fixtures.ts';

const root = temporaryFolder();

test('pictures that do not come are told with the files that are being read, again and again', async () => {
  const files = join(root, 'stalled');
  const { images, annotations } = writeCoco(files, cocoOf(files, 8)) as Record<string, string>;
  const recipe = recipeOf({
    data: { format: 'coco', train: { images, annotations }, val: null, workers: 2 },
    debug: { fault: { point: 'decode', action: 'stall', seconds: 0.9, times: 1, step: 1 } },
  } as Sections);
  const loader = openLoader(recipe, await openTrain(recipe), true, 32);
  const told: string[] = [];
  const next = async () => {
    const unwatch = watchLoader(
      () => loader.statistics(),
      (message) => told.push(message),
      0.3,
    );
    await loader.next();
    unwatch();
  };
  try {
    loader.begin(0, 0);
    await next();
    assert.deepEqual(told, []);
    await next();
    const { length } = told;
    assert.ok(length >= 2, told.join());
    for (const sentence of told)
      assert.match(
        sentence,
        /^no batch for \d+ s: the pictures do not come; being read: .*stalled\/images\/p\d\.png\. A slow disk/,
      );
    await next();
    assert.equal(told.length, length);
  } finally {
    loader.close();
  }
});
