import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { generateCoco } from '../../../lib/bench/annotations.ts';
import { native } from '../../../lib/native.ts';

const folder = mkdtempSync(join(tmpdir(), 'hdtrain-annotations-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('a generated file holds what was asked for, and is read without a finding', async () => {
  const { images, annotations, bytes } = generateCoco(folder, 7, 200);
  assert.equal(bytes, statSync(annotations).size);
  assert.equal(readdirSync(images).length, 7);
  const file = JSON.parse(readFileSync(annotations, 'utf8'));
  assert.deepEqual([file.images.length, file.annotations.length, file.categories.length], [7, 200, 80]);
  const boxes = file.annotations.map(({ bbox }: { bbox: number[] }) => bbox);
  assert.ok(
    boxes.every(
      ([x, y, w, h]: [number, number, number, number]) => x >= 0 && y >= 0 && x + w <= 640 && y + h <= 480,
    ),
  );
  assert.equal(new Set(boxes.map(String)).size, 200);
  const dataset = await native().openDataset({ format: 'coco', images, annotations });
  assert.equal(dataset.length, 7);
});

test('a folder that cannot be written is told', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  assert.throws(() => generateCoco(join(file, 'below'), 1, 1), /ENOTDIR/);
});
