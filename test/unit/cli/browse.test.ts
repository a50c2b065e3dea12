import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { run, temporaryFolder, tinyRecipe, writeRecipe } from '../../faults/command.ts';
import { writePng } from './files.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const config = writeRecipe(folder);

interface Browsed {
  folder: string;
  index: string;
  pictures: {
    out: string;
    file: string;
    epoch: number;
    step: number;
    boxes: number;
    size: [number, number];
  }[];
}
function browse(out: string, ...args: string[]): Browsed {
  const end = run(['browse', '--config', config, '--out', join(folder, out), '--json', ...args]);
  assert.equal(end.status, 0, end.stderr);
  return JSON.parse(end.stdout);
}

describe('the pictures that training would see', () => {
  test('as many as asked for, JPEG files, with the canvas and the number of boxes', () => {
    const { pictures } = browse('some', '--count', '5');
    assert.deepEqual(readdirSync(join(folder, 'some')), [
      '0000.jpg',
      '0001.jpg',
      '0002.jpg',
      '0003.jpg',
      '0004.jpg',
      'index.html',
    ]);
    for (const { out, boxes, size } of pictures) {
      assert.deepEqual([...readFileSync(out).subarray(0, 3)], [0xff, 0xd8, 0xff]);
      assert.ok(boxes >= 0);
      assert.deepEqual(size, [64, 64]);
    }
    assert.ok(pictures.some(({ boxes }) => boxes > 0));
  });
  test('the same each time, others in another epoch', () => {
    const files = (out: string, ...args: string[]) =>
      browse(out, '--count', '3', ...args).pictures.map(({ out }) => readFileSync(out).toString('base64'));
    assert.deepEqual(files('a'), files('b'));
    assert.notDeepEqual(files('a'), files('c', '--epoch', '1'));
  });
  test('augmentation shows: without it the boxes stand elsewhere', () => {
    const plain = writeRecipe(folder, tinyRecipe.replace(/augment: .*/, 'augment: []'), 'plain.yaml');
    const end = run(['browse', '--config', plain, '--out', join(folder, 'plain'), '--count', '3', '--json']);
    assert.equal(end.status, 0, end.stderr);
    const read = (name: string) => readFileSync(join(folder, name, '0000.jpg'));
    browse('augmented', '--count', '3');
    assert.ok(!read('plain').equals(read('augmented')));
  });
  test('joined pictures have more objects, until the epoch that closes them', () => {
    const steps =
      '[{ mosaic: { close: 1 } }, { affine: {} }, { copyPaste: { close: 1 } }, { mixup: { close: 1 } }]';
    const joining = writeRecipe(
      folder,
      tinyRecipe.replace(/augment: .*/, `augment: ${steps}`),
      'joined.yaml',
    );
    const boxes = (epoch: number) => {
      const out = join(folder, `joined-${epoch}`);
      const args = ['--config', joining, '--out', out, '--count', '12', '--epoch', `${epoch}`, '--json'];
      const end = run(['browse', ...args]);
      assert.equal(end.status, 0, end.stderr);
      const { pictures } = JSON.parse(end.stdout) as Browsed;
      return pictures.reduce((sum, picture) => sum + picture.boxes, 0);
    };
    assert.ok(boxes(1) > boxes(2) * 1.3);
  });
  test('data.val comes in its own order, not by the shape of its pictures as an evaluation takes it', () => {
    const shapes = [
      [48, 64],
      [64, 32],
      [40, 64],
      [64, 48],
    ].map(([width = 0, height = 0], i) => ({ id: i, file_name: `${i}.png`, width, height }));
    const images = join(folder, 'shapes');
    for (const { id, file_name, width, height } of shapes)
      writePng(join(images, file_name), width, height, id);
    const annotations = join(folder, 'shapes.json');
    const boxes = shapes.map(({ id }) => ({ id, image_id: id, category_id: 1, bbox: [2, 2, 20, 20] }));
    const categories = [{ id: 1, name: 'thing' }];
    writeFileSync(annotations, JSON.stringify({ images: shapes, annotations: boxes, categories }));
    const split = JSON.stringify({ images, annotations });
    const data = `data: { format: coco, size: 64, train: ${split}, val: ${split} }\ntrain: { batch: 2 }\n`;
    const shaped = writeRecipe(folder, data, 'shapes.yaml');
    const out = join(folder, 'shaped');
    const end = run(['browse', '--config', shaped, '--val', '--out', out, '--count', '2', '--json']);
    assert.equal(end.status, 0, end.stderr);
    const { pictures } = JSON.parse(end.stdout) as Browsed;
    assert.deepEqual(
      pictures.map(({ file }) => basename(file)),
      ['0.png', '1.png'],
    );
  });
  test('data.val ends with its last picture', () => {
    assert.equal(browse('val', '--val', '--count', '100').pictures.length, 4);
  });
});

describe('index.html', () => {
  test('shows each picture with what it is, in the colours of the boxes', () => {
    const { index, pictures } = browse('page', '--count', '6', '--epoch', '1');
    assert.equal(index, join(folder, 'page', 'index.html'));
    const page = readFileSync(index, 'utf8');
    const sources = [...page.matchAll(/<img src="([^"]+)"/g)].map(([, name = '']) => name);
    assert.deepEqual(
      sources.map((name) => join(folder, 'page', name)),
      pictures.map(({ out }) => out),
    );
    assert.deepEqual(
      pictures.map(({ epoch, step }) => [epoch, step]),
      // Batches of four; an epoch of twelve pictures has three steps.
      [0, 0, 0, 0, 1, 1].map((step) => [1, step]),
    );
    assert.match(page, /epoch 1, step 1 · \d+ box(es)? · 64 × 64/);
    assert.match(page, /class="swatch" style="--colour:#[0-9a-f]{6}"/);
    assert.match(page, /data\.augment/);
  });
  test('--val: not augmented', () => {
    const page = readFileSync(browse('val-page', '--val', '--count', '2').index, 'utf8');
    assert.match(page, /They are not augmented/);
  });
});

test('people are told where to look and what comes next', () => {
  const end = run(['browse', '--config', config, '--out', join(folder, 'text'), '--count', '2']);
  assert.match(end.stdout, /2 pictures with \d+ boxes \(\d without any\): .*text\/index\.html\nnext:/);
});

test('a folder that cannot be made, and a count that is none', () => {
  writeFileSync(join(folder, 'file'), '');
  for (const [args, message] of [
    [['--out', join(folder, 'file', 'below')], /--out/],
    [['--count', '0'], /--count/],
  ] as const) {
    const end = run(['browse', '--config', config, ...args]);
    assert.equal(end.status, 2, end.stderr);
    assert.match(end.stderr, message);
  }
});
