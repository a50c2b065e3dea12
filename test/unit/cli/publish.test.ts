import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Detector, Trainer } from '../../../lib/index.ts';
import { run, temporaryFolder } from '../../faults/command.ts';
import { recipeOf } from '../trainer/fixtures.ts';
import { writePng, writeSafetensors } from './files.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const trained = join(folder, 'run');
const weights = join(trained, 'student.safetensors');

before(async () => {
  await new Trainer(recipeOf({ train: { epochs: 1, batch: 4 } }), { run: trained }).run();
});

interface Published {
  path: string;
  sha256: string;
  bytes: number;
  classes: string[];
  results: Record<string, number> | null;
}
const publish = (...args: string[]): Published => {
  const end = run(['publish', ...args, '--json']);
  assert.equal(end.status, 0, end.stderr);
  return JSON.parse(end.stdout);
};

describe('publish', () => {
  test('the name holds the checksum of the bytes, the file its model and results, and it loads alone', async () => {
    const { path, sha256, bytes, results, classes } = publish(trained, '--out', join(folder, 'out'));
    const content = readFileSync(path);
    assert.equal(createHash('sha256').update(content).digest('hex'), sha256);
    assert.ok(path.endsWith(`gfl_resnet18-${sha256.slice(0, 8)}.safetensors`), path);
    assert.equal(bytes, content.length);
    assert.ok((results?.ap ?? -2) >= -1 && results?.images === 4, JSON.stringify(results));
    const detector = await Detector.load(path);
    assert.deepEqual(detector.classes, classes);
    assert.equal(detector.report.missing.length + detector.report.unexpected.length, 0);
    detector.close();
    assert.deepEqual(readdirSync(join(folder, 'out')).length, 1);
  });

  test('the same run gives the same bytes; a weight file alone has no results; --name is taken', () => {
    const first = publish(trained, '--out', join(folder, 'a'));
    const second = publish(trained, '--out', join(folder, 'b'));
    assert.equal(first.sha256, second.sha256);
    const alone = publish(weights, '--out', join(folder, 'c'), '--name', 'cells');
    assert.equal(alone.results, null);
    assert.match(alone.path, /cells-[0-9a-f]{8}\.safetensors$/);
    assert.notEqual(alone.sha256, first.sha256);
  });

  test('for people: size, checksum, what to type next', () => {
    const end = run(['publish', trained, '--out', join(folder, 'people')]);
    assert.match(end.stdout, /MB, 4 classes, AP/);
    assert.match(end.stdout, /sha256 [0-9a-f]{64}/);
    assert.match(end.stdout, /next:\n {2}npx hdtrain predict/);
  });

  test('what cannot be handed out is refused, and nothing is left behind', () => {
    const empty = join(folder, 'unfinished');
    mkdirSync(empty);
    const foreign = join(folder, 'foreign.safetensors');
    writeSafetensors(foreign, { 'a.weight': { shape: [1], values: [1] } });
    const broken = join(folder, 'broken.safetensors');
    writeFileSync(broken, readFileSync(weights).subarray(0, 1000));
    const out = join(folder, 'none');
    for (const [from, message, status] of [
      [empty, /has no student\.safetensors: finish it with --resume auto/, 4],
      [join(folder, 'absent'), /does not exist/, 4],
      [foreign, /describes its model/, 4],
      [broken, /HD_CKPT_CORRUPT/, 4],
    ] as const) {
      const end = run(['publish', from, '--out', out]);
      assert.equal(end.status, status, end.stderr);
      assert.match(end.stderr, message);
    }
    const file = run(['publish', trained, '--out', weights]);
    assert.equal(file.status, 2);
    assert.deepEqual(readdirSync(folder).includes('none') ? readdirSync(out) : [], []);
  });
});

describe('bench speed', () => {
  test('times a published model on stripes and on files; parts are not above their sum', () => {
    const end = run(['bench', 'speed', '--weights', weights, '--images', '6', '--json']);
    assert.equal(end.status, 0, end.stderr);
    const result = JSON.parse(end.stdout);
    assert.equal(result.images, 6);
    for (const part of ['network', 'detection', 'whole']) {
      const { mean, p50, p90, p99 } = result[part];
      assert.ok(mean > 0 && p50 <= p90 && p90 <= p99);
      assert.ok(Math.abs(result.fps[part] * mean - 1) < 1e-9);
    }
    assert.ok(result.network.mean < result.detection.mean && result.detection.mean < result.whole.mean);
    for (let i = 0; i < 3; ++i) writePng(join(folder, 'pictures', `${i}.png`), 64, 48, i);
    const files = run([
      'bench',
      'speed',
      '--weights',
      weights,
      '--data',
      join(folder, 'pictures'),
      '--images',
      '5',
    ]);
    assert.equal(files.status, 0, files.stderr);
    assert.match(files.stdout, /with decoding/);
    assert.match(files.stdout, /5 pictures, 1 at a time/);
  });

  test('without a model, or with numbers that make no sense, it says what it expects', () => {
    for (const args of [
      [],
      ['--weights', weights, '--images', '0'],
      ['--weights', weights, '--batch', '1.5'],
    ]) {
      const end = run(['bench', 'speed', ...args]);
      assert.equal(end.status, 2, end.stderr);
      assert.match(end.stderr, /expected/);
    }
  });
});
