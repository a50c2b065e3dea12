import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { type Latency, latency, measureSpeed, percentile } from '../../../lib/bench/speed.ts';
import { Detector } from '../../../lib/detector.ts';
import { native } from '../../../lib/native.ts';
import { run, temporaryFolder } from '../../faults/command.ts';
import { writePng } from '../cli/files.ts';
import { recipeOf, writeStudent } from '../trainer/fixtures.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const weights = join(folder, 'student.safetensors');
before(() => writeStudent(weights, recipeOf()));

describe('percentiles', () => {
  const times = fc.array(fc.double({ min: 0, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 50 });

  test('are the smallest value that enough of the values do not exceed', () => {
    fc.assert(
      fc.property(times, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, share) => {
        const found = percentile(values, share);
        const reached = (limit: number) => values.filter((value) => value <= limit).length;
        const wanted = Math.ceil(share * values.length);
        assert.ok(values.includes(found) && reached(found) >= wanted);
        for (const other of values) if (other < found) assert.ok(reached(other) < wanted);
      }),
    );
  });
  test('of one value are that value, of none are no number', () => {
    assert.equal(percentile([7], 0.01), 7);
    assert.equal(percentile([], 0.5), Number.NaN);
  });
  test('make a latency: numbers are not sorted as text, images count, not calls', () => {
    const times = [100, 9, 20, 11, 10, 10, 10, 10, 10, 10];
    const quarters = { p25: 10, p50: 10, p75: 11 };
    assert.deepEqual(latency(times, 20), { mean: 20, ...quarters, p90: 20, p99: 100, imagesPerSecond: 100 });
  });
});

describe('measuring', () => {
  const drawn = (count: number) =>
    native().openDataset({ format: 'synthetic', split: 'val', seed: 0, count, size: [64, 64] });

  for (const [count, batch] of [
    [9, 1],
    [2, 1],
    [9, 4],
  ] as const) {
    test(`${count} pictures, ${batch} a call: each counts once, warm-up does not`, async () => {
      const detector = await Detector.load(weights, { threads: 1 });
      const speed = await measureSpeed(detector, await drawn(count), batch);
      detector.close();
      assert.deepEqual([speed.images, speed.batch, speed.threads], [count, batch, 1]);
      const { network, withPostProcessing, withDecoding } = speed;
      assert.ok(network.p50 > 0);
      const grows = (a: Latency, b: Latency) => a.mean <= b.mean && a.p99 <= b.p99;
      assert.ok(grows(network, withPostProcessing) && grows(withPostProcessing, withDecoding));
    });
  }
});

describe('bench speed', () => {
  test('pictures of a folder, at another size', () => {
    for (let i = 0; i < 3; ++i) writePng(join(folder, 'pictures', `${i}.png`), 80, 60, i);
    const end = run([
      ...['bench', 'speed', '--weights', weights, '--data', join(folder, 'pictures')],
      ...['--size', '96', '--threads', '1', '--json'],
    ]);
    assert.equal(end.status, 0, end.stderr);
    const { images, size, threads, network } = JSON.parse(end.stdout);
    assert.deepEqual([images, size, threads], [3, 96, 1]);
    assert.deepEqual(Object.keys(network), ['mean', 'p25', 'p50', 'p75', 'p90', 'p99', 'imagesPerSecond']);
  });
  test('for people: a table of the three', () => {
    const end = run(['bench', 'speed', '--weights', weights, '--images', '4']);
    assert.match(end.stdout, /4 pictures at 64, batch 1, \d+ threads; ms a call/);
    assert.match(end.stdout, /network .*\nwith post-processing .*\nwith decoding /);
    assert.match(end.stdout, /stripes in memory, on which little is found.*--data FOLDER\n$/);
    const seen = run(['bench', 'speed', '--weights', weights, '--data', join(folder, 'pictures')]);
    assert.match(seen.stdout, /3 pictures at 64/);
    assert.doesNotMatch(seen.stdout, /stripes/);
  });
  test('what cannot be meant is refused', () => {
    for (const [args, sentence] of [
      [[], /--weights/],
      [['--weights', weights, '--data', folder, '--images', '3'], /either --data or --images/],
      [['--weights', weights, '--batch', '0'], /--batch/],
      [['--weights', weights, '--size', '7'], /--size/],
    ] as const) {
      const end = run(['bench', 'speed', ...args]);
      assert.equal(end.status, 2);
      assert.match(end.stderr, sentence);
    }
  });
});
