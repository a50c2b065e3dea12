/** Pictures that are damaged, hostile, missing, or change under the run (faults 1 to 7 and 48). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { native } from '../../lib/native.ts';
import { chunk, encodePng, writePng } from '../unit/cli/files.ts';
import { run, temporaryFolder, writeRecipe } from './command.ts';
import { badOf, cocoOf, loaderOf, writeCoco, writeJpeg } from './folders.ts';
import { errorOf, tells } from './sentences.ts';
import { metricsOf, train } from './train.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

/** A data set of eight good pictures and the given files, each announced as 64 × 48. */
function withFiles(name: string, files: Record<string, (path: string) => void>): Record<string, unknown> {
  const root = join(folder, name);
  const content = cocoOf(root, 8);
  for (const [file, write] of Object.entries(files)) {
    write(join(root, 'images', file));
    const id = content.images.length + 1;
    content.images.push({ id, file_name: file, width: 64, height: 48 });
    content.annotations.push({ id, image_id: id, category_id: 1, bbox: [8, 8, 32, 24], area: 768 });
  }
  return writeCoco(root, content);
}

const bytes = (content: Uint8Array | string) => (path: string) => writeFileSync(path, content);
const jpeg = join(folder, 'whole.jpg');
await writeJpeg(jpeg);
const whole = readFileSync(jpeg);

describe('1: a JPEG that is cut off', () => {
  const shares = [0, 1, 10, 50, 90, 99];
  const cut = Object.fromEntries(
    shares.map((share) => [`cut${share}.jpg`, bytes(whole.subarray(0, (whole.length * share) / 100))]),
  );
  test('is skipped, counted and named; the epoch is whole', async () => {
    const spec = withFiles('cut', cut);
    assert.deepEqual(await badOf(await loaderOf(spec)), Object.keys(cut).sort());
  });
  test('1: a run names each once: on the console, in metrics.jsonl and in its report; and goes on', () => {
    const { images, annotations } = withFiles('cut-run', cut);
    const text = `
model: { backbone: resnet18, neckChannels: 32, headChannels: 32, headConvs: 1 }
data: { format: coco, size: 64, maxBad: 0.5, train: { images: ${images}, annotations: ${annotations} } }
train: { epochs: 2, batch: 4, threads: 1 }
`;
    const into = join(folder, 'cut-run-into');
    const end = run(['--config', writeRecipe(folder, text, 'cut-run.yaml'), '--run', into]);
    assert.equal(end.status, 0, end.stderr);
    const bad = metricsOf(into).flatMap(({ type, samples }) => (type === 'bad-samples' ? samples : []));
    const names = bad.map(({ file }) => file.slice(file.lastIndexOf('/') + 1));
    assert.deepEqual(names.sort(), Object.keys(cut).sort());
    const report = readFileSync(join(into, 'report.html'), 'utf8');
    for (const name of names) {
      assert.ok(`${end.stdout}${end.stderr}`.includes(name), `the console does not tell of ${name}`);
      assert.ok(report.includes(`${name}</th>`), `the report does not tell of ${name}`);
    }
  });
  test('more than data.maxBad end the run', async () => {
    const loader = await loaderOf(withFiles('cut-many', cut), { maxBad: 0.1 });
    tells(await errorOf(() => badOf(loader)), 'HD_DATA_TOO_MANY_BAD', 'cut');
  });
  test('with data.onBadSample stop the first ends the run', async () => {
    const loader = await loaderOf(withFiles('cut-stop', cut), { onBadSample: 'stop' });
    tells(await errorOf(() => badOf(loader)), 'HD_DATA_IMAGE', 'cut');
  });
});

test('1: of data.val: told by name, once; eval tells it too', async () => {
  const good = join(folder, 'val-train');
  const train8 = writeCoco(good, cocoOf(good, 8));
  const val = withFiles('val', { 'torn.jpg': bytes(whole.subarray(0, whole.length / 2)) });
  const part = ({ images, annotations }: Record<string, unknown>) =>
    `{ images: ${images}, annotations: ${annotations} }`;
  const text = `
model: { backbone: resnet18, neckChannels: 32, headChannels: 32, headConvs: 1 }
data: { format: coco, size: 64, maxBad: 0.5, train: ${part(train8)}, val: ${part(val)} }
train: { epochs: 2, batch: 4, threads: 1 }
eval: { every: 1, pictures: 0 }
`;
  const recipe = writeRecipe(folder, text, 'val.yaml');
  const { result, events } = await train(recipe, join(folder, 'val-run'));
  assert.equal(events.filter(({ type }) => type === 'eval').length, 2);
  const bad = events.flatMap((event) => (event.type === 'bad-samples' ? [event] : []));
  const names = bad.map(({ split, samples, total }) => [
    split,
    samples.map(({ file }) => file.slice(-8)),
    total,
  ]);
  assert.deepEqual(names, [['val', ['torn.jpg'], 1]]);
  // The run folder tells it too.
  const lines = metricsOf(join(folder, 'val-run')).filter(({ type }) => type === 'bad-samples');
  assert.deepEqual(
    lines.map(({ step, samples }) => [step, samples.length]),
    [[2, 1]],
  );
  assert.match(readFileSync(join(folder, 'val-run', 'report.html'), 'utf8'), /torn\.jpg<\/th><td>data\.val/);
  const end = run(['eval', '--json', '--config', recipe, '--weights', result?.weights ?? '']);
  assert.match(end.stderr, /^skipped .*torn\.jpg: .*replace the file/);
  const { images, failed } = JSON.parse(end.stdout);
  assert.deepEqual([images, failed.length, failed[0].code], [9, 1, 'HD_DATA_IMAGE']);
});

test('2, 5: sizes that no memory holds, and bytes that unpack a thousandfold, are refused before memory is taken', async () => {
  const huge = Buffer.from(whole);
  const frame = huge.indexOf(Buffer.from([0xff, 0xc0]));
  huge.fill(0xff, frame + 5, frame + 9); // 65535 × 65535
  const zeros = deflateSync(Buffer.alloc(1 << 24)); // 16 MB in 16 kB
  const spec = withFiles('bombs', {
    'huge.jpg': bytes(huge),
    'huge.png': bytes(encodePng(0x7fffffff, 0x7fffffff, zeros)),
    'bomb.png': bytes(encodePng(9000, 9000, zeros)),
    'long.png': bytes(encodePng(64, 48, zeros)), // more rows than announced
  });
  const before = process.memoryUsage().rss;
  const bad = await badOf(await loaderOf(spec));
  assert.deepEqual(
    bad.filter((file) => file !== 'long.png'),
    ['bomb.png', 'huge.jpg', 'huge.png'],
  );
  assert.ok(process.memoryUsage().rss - before < 400e6, 'memory was taken for what was refused');
});

describe('5: an animated PNG', () => {
  const still = join(folder, 'still.png');
  writePng(still, 64, 48, 70);
  const [signature, header] = [readFileSync(still).subarray(0, 8), readFileSync(still).subarray(8, 33)];
  const rest = readFileSync(still).subarray(33);
  const numbers = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer).swap32();
  /** fcTL: which frame, its size and place, then 1/10 s, no disposal, no blending. */
  const frame = (sequence: number, width: number, height: number) =>
    chunk('fcTL', Buffer.concat([numbers(sequence, width, height, 0, 0), Buffer.from([0, 1, 0, 10, 0, 0])]));
  const animation = (frames: number) => chunk('acTL', numbers(frames, 0));
  const apng = (...parts: Buffer[]) => Buffer.concat([signature, header, ...parts]);
  const end = rest.subarray(-12);
  const pixels = rest.subarray(0, -12);
  const second = chunk('fdAT', Buffer.concat([numbers(2), deflateSync(Buffer.alloc(48 * (1 + 3 * 64)))]));
  const huge = chunk('fdAT', Buffer.concat([numbers(2), deflateSync(Buffer.alloc(1 << 24))]));
  const files = {
    'two.png': apng(animation(2), frame(0, 64, 48), pixels, frame(1, 64, 48), second, end),
    // The still picture is no part of the animation.
    'apart.png': apng(animation(1), pixels, frame(0, 64, 48), second, end),
    'lies.png': apng(animation(0x7fffffff), frame(0, 64, 48), pixels, frame(1, 64, 48), end),
    'outside.png': apng(animation(2), frame(0, 64, 48), pixels, frame(1, 0x7fffffff, 0x7fffffff), huge, end),
    'broken.png': apng(animation(2), frame(0, 64, 48), pixels, chunk('fdAT', Buffer.from([1])), end),
  };
  test('5: is its still picture, whatever its frames announce, in bounded memory', async () => {
    const spec = withFiles(
      'animated',
      Object.fromEntries(
        Object.entries({ ...files, 'still.png': readFileSync(still) }).map(([name, content]) => [
          name,
          bytes(content),
        ]),
      ),
    );
    const before = process.memoryUsage().rss;
    assert.deepEqual(await badOf(await loaderOf(spec)), []);
    assert.ok(process.memoryUsage().rss - before < 400e6);
    // Pictures with the same pixels are told as such.
    const { duplicates } = await (await native().openDataset(spec)).report({ decode: true, threads: 1 });
    const same = duplicates.map((group) => group.map((name) => name.slice(name.lastIndexOf('/') + 1)).sort());
    assert.deepEqual(same, [[...Object.keys(files), 'still.png'].sort()]);
  });
});

test('4: the bytes decide what a file is, not its name', async () => {
  const spec = withFiles('names', {
    'png-inside.jpg': (path) => writePng(path, 64, 48, 9),
    'text.jpg': bytes('this is no picture'),
    'page.png': bytes('<!doctype html><html><body>404</body></html>'),
  });
  assert.deepEqual(await badOf(await loaderOf(spec)), ['page.png', 'text.jpg']);
});

test('6: an empty file, a folder, a pipe, a loop of links, a missing and a forbidden file do not stop or block anything', async () => {
  const spec = withFiles('nothing', {
    'empty.jpg': bytes(''),
    'folder.jpg': (path) => mkdirSync(path),
    'forbidden.jpg': (path) => writeFileSync(path, whole, { mode: 0 }),
    'loop.jpg': (path) => symlinkSync(path, path),
    'missing.jpg': () => {},
    'pipe.jpg': (path) => execFileSync('mkfifo', [path]),
  });
  const findings = (await native().openDataset(spec)).findings();
  // What leads to nothing is out from the start, the others when they are read.
  assert.deepEqual(findings.counts, { 'missing-file': 2 });
  assert.match(findings.first.map(({ where }) => where).join(' '), /loop\.jpg.*missing\.jpg/);
  const bad = await asNobody(async () => badOf(await loaderOf(spec)));
  assert.deepEqual(bad, ['empty.jpg', 'folder.jpg', 'forbidden.jpg', 'pipe.jpg']);
});

/** Root may read everything. */
async function asNobody<T>(act: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return act();
  chmodSync(folder, 0o755);
  process.seteuid?.('nobody');
  try {
    return await act();
  } finally {
    process.seteuid?.(0);
  }
}

test('7: pictures that are cut while the run goes on are told by name; the run ends', async () => {
  const root = join(folder, 'meanwhile');
  const spec = writeCoco(root, cocoOf(root, 8));
  const text = `
model: { backbone: resnet18, neckChannels: 32, headChannels: 32, headConvs: 1 }
data: { format: coco, size: 64, maxBad: 0.5, train: { images: ${spec.images}, annotations: ${spec.annotations} } }
train: { epochs: 4, batch: 4, threads: 1 }
log: { every: 1 }
`;
  let cut = false;
  const cutter = {
    name: 'cutter',
    afterStep() {
      for (const name of cut ? [] : ['p2.png', 'p5.png']) truncateSync(join(root, 'images', name), 60);
      cut = true;
    },
  };
  const { result, events } = await train(writeRecipe(folder, text, 'meanwhile.yaml'), join(folder, 'run'), {
    hooks: [cutter],
  });
  assert.equal(result?.status, 'done');
  const bad = events.flatMap((event) => (event.type === 'bad-samples' ? event.samples : []));
  assert.deepEqual(bad.map(({ file, code }) => [file.slice(-6), code]).sort(), [
    ['p2.png', 'HD_DATA_IMAGE'],
    ['p5.png', 'HD_DATA_IMAGE'],
  ]);
  for (const { message } of bad) assert.match(message, /replace the file or take it out/);
});

describe('29, 34: a picture that cannot be decoded for want of memory, or whose thread throws, is a bad one', () => {
  const root = join(folder, 'starved');
  const spec = writeCoco(root, cocoOf(root, 8));
  const text = `
model: { backbone: resnet18, neckChannels: 32, headChannels: 32, headConvs: 1 }
data: { format: coco, size: 64, train: { images: ${spec.images}, annotations: ${spec.annotations} } }
train: { epochs: 2, batch: 4, threads: 1 }
`;
  const recipe = writeRecipe(folder, text, 'starved.yaml');
  for (const [action, code, sentence] of [
    ['memory', 'HD_DATA_MEMORY', /expected memory to decode .*p\d\.png but the system has no more; lower/],
    ['error', 'HD_DATA_FAULT', /an error was asked for at 'decode' of .*p\d\.png/],
  ] as const) {
    test(`${action}: told by name, and the run ends`, async () => {
      const fault = `{point: decode, action: ${action}}`;
      const { result, events } = await train(recipe, join(folder, `decode-${action}`), { fault });
      assert.equal(result?.status, 'done');
      const bad = events.flatMap((event) => (event.type === 'bad-samples' ? event.samples : []));
      assert.deepEqual(
        bad.map((sample) => sample.code),
        [code],
      );
      assert.match(bad[0]?.message ?? '', sentence);
    });
    test(`${action}, with data.onBadSample stop: the run ends with it`, async () => {
      const { error } = await train(recipe, join(folder, `stop-${action}`), {
        fault: `{point: decode, action: ${action}}`,
        set: ['data.onBadSample=stop'],
      });
      tells(error, code, '.png');
    });
  }
});

test('48: a picture of one pixel and a very long one train beside others', async () => {
  const root = join(folder, 'shapes');
  const content = cocoOf(root, 6);
  for (const [i, [width, height]] of [
    [1, 1],
    [10_000, 1],
    [1, 10_000],
  ].entries()) {
    const file = `shape${i}.png`;
    writePng(join(root, 'images', file), width as number, height as number, i);
    content.images.push({ id: 100 + i, file_name: file, width, height });
    content.annotations.push({ id: 100 + i, image_id: 100 + i, category_id: 1, bbox: [0, 0, width, height] });
  }
  const spec = writeCoco(root, content);
  const loader = await loaderOf({ ...spec, minSide: 1, keepEmpty: true });
  assert.deepEqual(await badOf(loader), []);
  const part = `{ images: ${spec.images}, annotations: ${spec.annotations} }`;
  const text = `
model: { backbone: resnet18, neckChannels: 32, headChannels: 32, headConvs: 1 }
data:
  { format: coco, size: 64, minSide: 1, keepEmpty: true, train: ${part}, val: ${part},
    augment: [{ crop: {} }, { mosaic: { close: 0 } }, { affine: { rotate: 20 } }, { flip: {} }] }
train: { epochs: 3, batch: 3, threads: 1 }
log: { every: 1 }
`;
  const recipe = writeRecipe(folder, text, 'shapes.yaml');
  for (const set of [[], ['data.augment=[]']]) {
    const { error, result, events } = await train(recipe, join(folder, `shapes-${set.length}`), { set });
    assert.equal(error, undefined);
    assert.equal(result?.status, 'done');
    assert.equal(events.filter(({ type }) => type === 'bad-samples').length, 0);
    const totals = events.flatMap((event) => (event.type === 'step' ? [event.losses.total] : []));
    assert.ok(totals.length >= 9 && totals.every(Number.isFinite), `${totals}`);
    assert.ok(Number.isFinite(result?.metrics?.ap));
  }
});
