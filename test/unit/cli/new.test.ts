import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { run, temporaryFolder } from '../../faults/command.ts';
import { tarOf } from '../trainer/shard-server.ts';
import { type Box, writeCoco, writePng } from './files.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

const boxes: Box[] = [1, 2, 3, 4].map((image) => ({
  image,
  category: image % 2 ? 3 : 7,
  box: [4, 6, 20 + image, 24],
}));

function makeCoco(folder: string): void {
  writeCoco(join(folder, 'annotations', 'train.json'), 4, boxes, join(folder, 'train'));
  writeCoco(join(folder, 'annotations', 'val.json'), 2, boxes.slice(0, 2), join(folder, 'val'));
}

/** As LVIS v1: pictures by coco_url, what each was searched for, how frequent a category is. */
function makeLvis(folder: string): void {
  makeCoco(folder);
  for (const split of ['train', 'val']) {
    const path = join(folder, 'annotations', `${split}.json`);
    const truth = JSON.parse(readFileSync(path, 'utf8'));
    for (const image of truth.images) {
      image.coco_url = `http://images.test/${split}/${image.file_name}`;
      image.file_name = undefined;
      Object.assign(image, { neg_category_ids: [], not_exhaustive_category_ids: [3] });
    }
    for (const category of truth.categories) category.frequency = 'c';
    rmSync(path);
    writeFileSync(join(folder, 'annotations', `lvis_v1_${split}.json`), JSON.stringify(truth));
  }
}

function makeVoc(folder: string): void {
  for (const sub of ['images', 'annotations']) mkdirSync(join(folder, sub), { recursive: true });
  for (let i = 1; i <= 4; ++i) {
    writePng(join(folder, 'images', `p${i}.png`), 64, 48, i);
    writeFileSync(
      join(folder, 'annotations', `p${i}.xml`),
      `<annotation><filename>p${i}.png</filename><size><width>64</width><height>48</height><depth>3</depth></size>
<object><name>${i % 2 ? 'cat' : 'dog'}</name><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>${30 + i}</xmax><ymax>40</ymax></bndbox></object></annotation>`,
    );
  }
  writeFileSync(join(folder, 'train.txt'), 'p1\np2\np3\n');
  writeFileSync(join(folder, 'val.txt'), 'p4\n');
}

function makeYolo(folder: string): void {
  for (const [split, ids] of [
    ['train', [1, 2, 3]],
    ['val', [4]],
  ] as const) {
    mkdirSync(join(folder, 'labels', split), { recursive: true });
    for (const i of ids) {
      writePng(join(folder, 'images', split, `p${i}.png`), 64, 48, i);
      writeFileSync(join(folder, 'labels', split, `p${i}.txt`), `${i % 2} 0.5 0.5 0.4 0.${3 + i}\n`);
    }
  }
  writeFileSync(join(folder, 'data.yaml'), 'names: [cat, dog]\n');
}

function makeShards(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, ids] of [
    ['train-0', [1, 2]],
    ['train-1', [3]],
    ['val-0', [4]],
  ] as const) {
    const members: Record<string, Buffer | string> = {};
    for (const i of ids) {
      const picture = join(root, 'picture.png');
      writePng(picture, 64, 48, i);
      members[`p${i}.png`] = readFileSync(picture);
      members[`p${i}.json`] = JSON.stringify({
        boxes: [[4, 6, 24 + i, 30]],
        labels: [i % 2 ? 'cat' : 'dog'],
      });
    }
    writeFileSync(join(folder, `${name}.tar`), tarOf(members));
  }
}

describe('new', () => {
  for (const [format, make] of [
    ['coco', makeCoco],
    ['lvis', makeLvis],
    ['voc', makeVoc],
    ['yolo', makeYolo],
    ['webdataset', makeShards],
  ] as const) {
    test(`${format}: is recognised, and check accepts the recipe that is written`, () => {
      const folder = join(root, format);
      make(folder);
      const recipe = join(root, `${format}.yaml`);
      const made = run(['new', folder, '--out', recipe, '--json']);
      assert.equal(made.status, 0, made.stderr);
      const found = JSON.parse(made.stdout);
      assert.equal(found.format, format);
      assert.deepEqual(found.classes.toSorted(), ['cat', 'dog']);
      assert.match(readFileSync(recipe, 'utf8'), /^# yaml-language-server: \$schema=/);
      assert.match(readFileSync(recipe, 'utf8'), /size: 128 .*the median picture is 64 × 48$/m);
      const checked = run(['check', '--config', recipe, '--json', '--set', 'data.size=64']);
      assert.equal(checked.status, 0, checked.stderr);
      const { splits, leaks } = JSON.parse(checked.stdout);
      assert.equal(splits.train.images, found.images.train);
      assert.equal(splits.train.annotations, found.images.train);
      assert.deepEqual(splits.train.findingCounts, {});
      assert.ok(Array.isArray(leaks));
    });
  }
  test('an existing recipe is kept unless --force', () => {
    const out = join(root, 'coco.yaml');
    const before = readFileSync(out, 'utf8');
    const end = run(['new', join(root, 'coco'), '--out', out]);
    assert.equal(end.status, 2);
    assert.match(end.stderr, /--force/);
    assert.equal(readFileSync(out, 'utf8'), before);
    assert.equal(run(['new', join(root, 'coco'), '--out', out, '--force']).status, 0);
  });
  test('a folder of no known format: exit 3 and what would be recognised', () => {
    const empty = join(root, 'empty');
    mkdirSync(empty);
    const end = run(['new', empty, '--out', join(root, 'empty.yaml')]);
    assert.equal(end.status, 3, end.stderr);
    assert.match(end.stderr, /HD_DATA_DETECT/);
    assert.match(end.stderr, /COCO/);
  });
});

describe('check', () => {
  test('finds damaged pictures, boxes outside and pictures that both splits share', () => {
    const folder = join(root, 'dirty');
    makeCoco(folder);
    const annotations = join(folder, 'annotations', 'train.json');
    const truth = JSON.parse(readFileSync(annotations, 'utf8'));
    truth.annotations[0].bbox = [70, 6, 20, 24];
    writeFileSync(annotations, JSON.stringify(truth));
    writeFileSync(join(folder, 'train', 'picture-3.png'), 'no picture');
    const recipe = join(root, 'dirty.yaml');
    assert.equal(run(['new', folder, '--out', recipe]).status, 0);
    const end = run(['check', '--config', recipe, '--json', '--set', 'data.size=64']);
    const { splits, leaks } = JSON.parse(end.stdout);
    const codes = Object.keys(splits.train.findingCounts);
    assert.ok(codes.length >= 2, codes.join());
    const places = JSON.stringify(splits.train.findings);
    assert.match(places, /picture-3\.png/);
    assert.ok(leaks.length >= 1, 'the same pictures are in train and val');
  });
});
