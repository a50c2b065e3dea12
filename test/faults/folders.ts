/** Data sets for fault tests: COCO folders whose files can be damaged one by one. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type NativeLoader, native } from '../../lib/native.ts';
import { writePng } from '../unit/cli/files.ts';

export interface CocoContent {
  images: Record<string, unknown>[];
  categories: Record<string, unknown>[];
  annotations: Record<string, unknown>[];
}

/** `count` PNG pictures of 64 × 48 with one box each; returns the content, to be changed and written by writeCoco. */
export function cocoOf(folder: string, count: number): CocoContent {
  mkdirSync(join(folder, 'images'), { recursive: true });
  const content: CocoContent = {
    images: [],
    categories: [
      { id: 1, name: 'cat' },
      { id: 2, name: 'dog' },
    ],
    annotations: [],
  };
  for (let id = 1; id <= count; ++id) {
    const name = `p${id}.png`;
    writePng(join(folder, 'images', name), 64, 48, id);
    content.images.push({ id, file_name: name, width: 64, height: 48 });
    content.annotations.push({
      id,
      image_id: id,
      category_id: 1 + (id % 2),
      bbox: [8, 8, 32, 24],
      area: 768,
    });
  }
  return content;
}

/** The spec that opens it. */
export function writeCoco(folder: string, content: CocoContent | string): Record<string, unknown> {
  const annotations = join(folder, 'annotations.json');
  writeFileSync(annotations, typeof content === 'string' ? content : JSON.stringify(content));
  return { format: 'coco', images: join(folder, 'images'), annotations };
}

/** A real JPEG, drawn from generated pixels. */
export async function writeJpeg(path: string): Promise<void> {
  const spec = { format: 'synthetic', split: 'train', count: 1, seed: 1, size: [64, 64] };
  const none = { boxes: new Float32Array(), labels: new Int32Array() };
  const sets = [{ ...none, colour: '#00ff00', title: 'x' }];
  await native().draw({ dataset: await native().openDataset(spec), image: 0, out: path, sets });
}

/** A loader that trains in batches of 4 from 64 × 64 canvases. */
export async function loaderOf(
  spec: Record<string, unknown>,
  more: Record<string, unknown> = {},
): Promise<NativeLoader> {
  return new (native().Loader)(await native().openDataset(spec), {
    batch: 4,
    threads: 2,
    slots: 2,
    seed: 1,
    augment: [{ resize: { sizes: [[64, 64]] } }],
    canvas: { divisor: 32, maxCanvases: 2 },
    onBadSample: 'skip',
    maxBad: 1,
    ...more,
  });
}

/** Takes one epoch; returns the files that were bad. */
export async function badOf(loader: NativeLoader): Promise<string[]> {
  loader.begin(0, 0);
  try {
    const bad: string[] = [];
    for (let step = 0; step < loader.stepsPerEpoch; ++step) {
      await loader.next();
      bad.push(...loader.statistics().newBadSamples.map(({ file }) => file.slice(file.lastIndexOf('/') + 1)));
    }
    return bad.sort();
  } finally {
    loader.close();
  }
}
