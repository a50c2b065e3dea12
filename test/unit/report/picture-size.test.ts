import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { native } from '../../../lib/native.ts';
import { pictureSize } from '../../../lib/report/picture-size.ts';
import { temporaryFolder } from '../../faults/command.ts';
import { writePng } from '../cli/files.ts';
import { openTrain, recipeOf } from '../trainer/fixtures.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

test('PNG', () => {
  writePng(join(root, 'a.png'), 37, 21);
  assert.deepEqual(pictureSize(readFileSync(join(root, 'a.png'))), { width: 37, height: 21 });
});

test('JPEG as it is drawn', async () => {
  const dataset = await openTrain(recipeOf());
  const out = join(root, 'a.jpg');
  const none = { boxes: new Float32Array(), labels: new Int32Array(), colour: '', title: 't' };
  await native().draw({ dataset, image: 0, out, sets: [none] });
  const { width = 0, height = 0 } = pictureSize(readFileSync(out)) ?? {};
  assert.ok(width >= 64 && height >= 64 && width < 2000 && height < 2000, `${width}×${height}`);
});

test('JPEG with segments before the frame, and a table that looks like one', () => {
  const segment = (marker: number, ...data: number[]) => [0xff, marker, 0, data.length + 2, ...data];
  const file = [
    0xff,
    0xd8,
    ...segment(0xe0, 1, 2, 3),
    ...segment(0xc4, 9, 9, 9, 9, 9, 9, 9),
    ...segment(0xc2, 8, 1, 2, 3, 4, 3),
  ];
  assert.deepEqual(pictureSize(Buffer.from(file)), { width: 0x304, height: 0x102 });
});

test('anything else is null, and nothing hangs', () => {
  assert.equal(pictureSize(Buffer.from('GIF89a')), null);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (data) => {
      pictureSize(Buffer.from([0xff, 0xd8, 0xff, ...data]));
      pictureSize(Buffer.from(data));
    }),
  );
  assert.equal(pictureSize(Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 0])), null);
});
