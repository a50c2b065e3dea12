/** The data sets that the recipes of docs/guide/own-data.md name, with a few pictures each. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeCoco, writePng } from '../cli/files.ts';
import { tarOf } from '../trainer/shard-server.ts';

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** Two years of Pascal VOC. */
export function writeVoc(folder: string): void {
  for (const year of ['VOC2007', 'VOC2012']) {
    const names = ['000005', '000007', '000009', '000012'];
    for (const [i, name] of names.entries()) {
      writePng(join(folder, year, 'JPEGImages', `${name}.png`), 64, 48, i);
      write(
        join(folder, year, 'Annotations', `${name}.xml`),
        `<annotation><filename>${name}.png</filename><size><width>64</width><height>48</height><depth>3</depth></size>
<object><name>${i % 2 ? 'cat' : 'dog'}</name><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>40</xmax><ymax>40</ymax></bndbox></object></annotation>`,
      );
    }
    write(join(folder, year, 'ImageSets/Main/trainval.txt'), `${names.join('\n')}\n`);
  }
  write(join(folder, 'voc-classes.txt'), 'cat\ndog\n');
}

/** As LVIS v1: pictures by coco_url, what each was searched for, how frequent a category is. */
export function writeLvis(folder: string): void {
  const box: [number, number, number, number] = [4, 6, 30, 24];
  for (const [split, count] of [
    ['train', 4],
    ['val', 2],
  ] as const) {
    const path = join(folder, `lvis_v1_${split}.json`);
    const truths = Array.from({ length: count }, (_, i) => ({ image: i + 1, category: i % 2 ? 3 : 7, box }));
    writeCoco(path, count, truths, join(folder, 'coco', `${split}2017`));
    const truth = JSON.parse(readFileSync(path, 'utf8'));
    for (const image of truth.images) {
      image.coco_url = `http://images.test/${split}2017/${image.file_name}`;
      image.file_name = undefined;
      Object.assign(image, { neg_category_ids: [], not_exhaustive_category_ids: [3] });
    }
    for (const category of truth.categories) category.frequency = 'c';
    write(path, JSON.stringify(truth));
  }
}

/** Thirteen shards to learn from and one to measure on, each with a picture of 640 × 480 for each of `annotations`. */
export function writeShards(folder: string, annotations: readonly string[]): void {
  const names = Array.from({ length: 13 }, (_, i) => `train-${String(i).padStart(3, '0')}`);
  for (const [i, name] of [...names, 'val-000'].entries()) {
    const members: Record<string, Buffer | string> = {};
    for (const [j, json] of annotations.entries()) {
      const picture = join(folder, 'shards/picture.png');
      writePng(picture, 640, 480, 2 * i + j);
      members[`${j}.png`] = readFileSync(picture);
      members[`${j}.json`] = json;
    }
    writeFileSync(join(folder, 'shards', `${name}.tar`), tarOf(members));
  }
}
