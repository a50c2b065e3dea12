import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type DataBench, openDataBench } from '../../../lib/bench/data.ts';
import { native } from '../../../lib/native.ts';
import { openData } from '../../../lib/trainer/setup.ts';
import { run, temporaryFolder } from '../../faults/command.ts';
import { recipeOf } from '../trainer/fixtures.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const files = Array.from({ length: 5 }, (_, i) => join(folder, `${i}.jpg`));

before(async () => {
  const { trainSet: dataset } = await openData(recipeOf({}));
  const loader = new (native().Loader)(dataset, {
    batch: 5,
    threads: 1,
    slots: 2,
    seed: 0,
    shuffle: false,
    evaluate: true,
    augment: [],
    onBadSample: 'stop',
  } as never);
  loader.begin(0, 0);
  await loader.next();
  for (const [i, file] of files.entries()) loader.draw(i, file);
  loader.close();
});

describe('openDataBench', () => {
  let bench: DataBench;
  before(async () => {
    bench = await openDataBench({ files, size: 96, batch: 2, threads: 2 });
  });
  after(() => bench.close());

  test('every pass reads every picture, and copies none', async () => {
    assert.equal(bench.images, 5);
    for (let pass = 0; pass < 3; ++pass) {
      const { seconds, imagesPerSecond, copiedBytes } = await bench.run();
      assert.ok(Math.abs(imagesPerSecond * seconds - 5) < 1e-9);
      assert.equal(copiedBytes, 0);
    }
  });
});

test('a picture that cannot be read ends the measurement: a rate over fewer pictures would be too good', async () => {
  const bad = join(folder, 'bad.jpg');
  writeFileSync(bad, 'no picture');
  await assert.rejects(async () => {
    const bench = await openDataBench({ files: [...files, bad], size: 96, batch: 2 });
    try {
      await bench.run();
    } finally {
      bench.close();
    }
  }, /HD_DATA|expected a JPEG/);
});

test('bench data: a rate, and what is missing is said', () => {
  const end = run(['bench', 'data', '--data', folder, '--size', '64', '--steps', '2', '--json']);
  if (end.status === 0) assert.fail(`bad.jpg is in the folder: ${end.stdout}`);
  rmSync(join(folder, 'bad.jpg'));
  const fine = run(['bench', 'data', '--data', folder, '--size', '64', '--steps', '2', '--json']);
  assert.equal(fine.status, 0, fine.stderr);
  const result = JSON.parse(fine.stdout) as Record<string, number>;
  assert.deepEqual([result.images, result.size, result.batch, result.copiedBytes], [5, 64, 16, 0]);
  assert.ok((result.imagesPerSecond ?? 0) > 0);
  assert.equal(run(['bench', 'data']).status, 2);
});
