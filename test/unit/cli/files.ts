/** Small real files for the verbs: pictures, data sets, weights. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deflateSync, crc32 as zlibCrc32 } from 'node:zlib';

/** The CRC of PNG chunks; node:zlib has one since 20.15. */
const crc32 = zlibCrc32 as (data: Uint8Array) => number;

export function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body) >>> 0);
  return Buffer.concat([length, body, check]);
}

/** A PNG whose header and compressed rows need not agree. */
export function encodePng(width: number, height: number, compressed: Buffer): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', compressed),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** An RGB picture with a gradient that depends on `seed`, so that no two are duplicates; or its mirror image. */
export function writePng(path: string, width: number, height: number, seed = 0, mirrored = false): void {
  const from = (i: number) => (mirrored ? 3 * (width - 1 - Math.floor(i / 3)) + (i % 3) : i);
  const rows = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0; y < height; ++y) {
    for (let i = 0; i < 3 * width; ++i)
      rows[y * (1 + 3 * width) + 1 + i] = (y * (3 + seed) + from(i) * (1 + 2 * seed)) % 256;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, encodePng(width, height, deflateSync(rows)));
}

export interface Box {
  image: number;
  category: number;
  /** x, y, width, height. */
  box: [number, number, number, number];
  score?: number;
}

/** COCO truth of `images` pictures of 64×48; with `folder`, the pictures as well. */
export function writeCoco(path: string, images: number, truths: Box[], folder?: string): void {
  const name = (id: number) => `picture-${id}.png`;
  const content = {
    images: Array.from({ length: images }, (_, i) => ({
      id: i + 1,
      file_name: name(i + 1),
      width: 64,
      height: 48,
    })),
    categories: [
      { id: 3, name: 'cat' },
      { id: 7, name: 'dog' },
    ],
    annotations: truths.map(({ image, category, box }, i) => ({
      id: i + 1,
      image_id: image,
      category_id: category,
      bbox: box,
      area: box[2] * box[3],
      iscrowd: 0,
    })),
  };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(content));
  if (folder) for (let id = 1; id <= images; ++id) writePng(join(folder, name(id)), 64, 48, id);
}

/** COCO result file. */
export function writeResults(path: string, detections: Box[]): void {
  const rows = detections.map(({ image, category, box, score = 1 }) => ({
    image_id: image,
    category_id: category,
    bbox: box,
    score,
  }));
  writeFileSync(path, JSON.stringify(rows));
}

/** float32 tensors by name; values are given in row-major order. */
export function writeSafetensors(
  path: string,
  tensors: Record<string, { shape: number[]; values: number[] }>,
  metadata?: Record<string, string>,
): void {
  let offset = 0;
  const entries = Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, values }]) => {
      const begin = offset;
      offset += 4 * values.length;
      return [name, { dtype: 'F32', shape, data_offsets: [begin, offset] }];
    }),
  );
  const header = metadata ? { __metadata__: metadata, ...entries } : entries;
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const data = Float32Array.from(Object.values(tensors).flatMap(({ values }) => values));
  writeFileSync(path, Buffer.concat([length, text, Buffer.from(data.buffer)]));
}
