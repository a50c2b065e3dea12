/** What lies on the disk of somebody who reads the documents and types their examples: small, and real. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Box, writeCoco, writePng, writeResults } from '../cli/files.ts';

/** Overrides that make a recipe which `new` has written one of seconds; those of an example come behind, and win. */
export const tiny = [
  'model.neckChannels=32',
  'model.headChannels=32',
  'model.headConvs=1',
  'data.size=64',
  'train.epochs=1',
  'train.batch=4',
  'train.threads=1',
  'checkpoint.keep=1',
];

const truths = (count: number): Box[] =>
  Array.from({ length: count }, (_, i) => ({ image: i + 1, category: i % 2 ? 3 : 7, box: [8, 8, 32, 24] }));

/** A COCO data set of eight pictures to learn from and three others to measure on. */
export function writeData(folder: string): void {
  for (const [split, count, seed] of [
    ['train2017', 8, 0],
    ['val2017', 3, 100],
  ] as const) {
    writeCoco(join(folder, 'annotations', `instances_${split}.json`), count, truths(count));
    for (let id = 1; id <= count; ++id) writePng(join(folder, split, `picture-${id}.png`), 64, 48, seed + id);
  }
}

/** A recipe as `new` would have written it, so small that it needs no overrides. */
export const tinyData = `
model: { neckChannels: 32, headChannels: 32, headConvs: 1, norm: train }
data:
  format: coco
  size: 64
  train: { images: path/to/data/train2017, annotations: path/to/data/annotations/instances_train2017.json }
  val: { images: path/to/data/val2017, annotations: path/to/data/annotations/instances_val2017.json }
  augment: [{ flip: {} }]
train: { epochs: 1, batch: 4, threads: 1 }
checkpoint: { keep: 1 }
`;

/**
 * Lays out what the documents take for granted: pictures and, from the guides on, a recipe and the run that README's
 * example has made (`trained`), under every name that they give a finished run.
 */
export function layOut(folder: string, trained: string | null): void {
  writeData(join(folder, 'path/to/data'));
  for (const name of ['photos/a.png', 'photos/b.png', 'more.jpg']) writePng(join(folder, name), 64, 48, 5);
  writePng(join(folder, 'first-thousand/000017.png'), 64, 48, 1);
  writeFileSync(join(folder, 'first-thousand/000017.json'), '{"boxes": [[4, 6, 40, 40]], "labels": ["cat"]}');
  if (trained === null) return;
  writeFileSync(join(folder, 'data.yaml'), tinyData);
  for (const name of ['runs', 'weights']) mkdirSync(join(folder, name));
  for (const run of ['data-1', 'cells-1', 'a-1', 'a-2', 'big-1', 'small-1'])
    symlinkSync(trained, join(folder, 'runs', run));
  // What a file of weights is, its content says and not its name.
  for (const name of ['teacher.safetensors', 'student.safetensors', 'weights/resnet18.pth'])
    symlinkSync(join(trained, 'student.safetensors'), join(folder, name));
  writeCoco(join(folder, 'truth.json'), 3, truths(3));
  writeResults(join(folder, 'detections.json'), truths(3));
}
