/** Annotation files that are broken, lie, or are out of proportion (faults 8 to 11 and 47). */
import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { native } from '../../lib/native.ts';
import { temporaryFolder } from './command.ts';
import { type CocoContent, cocoOf, loaderOf, writeCoco } from './folders.ts';
import { errorOf, tells } from './sentences.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

const root = join(folder, 'coco');
const sound = cocoOf(root, 4);
const open = (content: CocoContent | string) => native().openDataset(writeCoco(root, content));
const changed = (change: (content: CocoContent) => void): CocoContent => {
  const content = structuredClone(sound);
  change(content);
  return content;
};

describe('8: COCO JSON', () => {
  const text = JSON.stringify(sound);
  const broken: [string, string][] = [
    ['empty', ''],
    ['cut', text.slice(0, text.length / 2)],
    ['100 000 levels deep', `{"images":${'['.repeat(100_000)}`],
  ];
  for (const [what, content] of broken) {
    test(`${what}: refused with the byte`, async () => {
      tells(await errorOf(() => open(content)), 'HD_DATA_JSON', 'annotations.json');
    });
  }
  test('NaN is no number', async () => {
    tells(await errorOf(() => open(text.replace('768', 'NaN'))), 'HD_DATA_FORMAT', 'annotations[0].area');
  });
  test('a byte order mark is no fault', async () => {
    assert.equal((await open(`\ufeff${text}`)).length, 4);
  });
  test('ids that are texts or stand twice, and lists that are none, are refused with their place', async () => {
    const faults: [(content: CocoContent) => void, string][] = [
      [({ images }) => Object.assign(images[1] as object, { id: 'two' }), 'images[1].id'],
      [({ images }) => Object.assign(images[1] as object, { id: 1 }), 'images[1].id'],
      [({ categories }) => Object.assign(categories[1] as object, { id: 1 }), 'categories[1].id'],
      [(content) => Object.assign(content, { annotations: 7 }), 'annotations'],
      [(content) => Object.assign(content, { categories: [] }), 'categories'],
    ];
    for (const [change, place] of faults)
      tells(await errorOf(() => open(changed(change))), 'HD_DATA_FORMAT', place);
  });
  test('bad annotations are dropped and counted by kind', async () => {
    const set = await open(
      changed(({ annotations }) => {
        const like = annotations[0];
        const more = [
          { image_id: 99 },
          { category_id: 99 },
          { bbox: [10, 10, -5, 8] },
          { bbox: [10, 10, 0, 8], area: 0 },
          { bbox: [900, 900, 5, 5] },
          { bbox: [1, 2, 3] },
          { bbox: [1e308, 1, 1e308, 1] },
          { iscrowd: 1, bbox: [0, 0, 60, 40] },
        ];
        annotations.push(...more.map((fields, i) => ({ ...like, id: 50 + i, ...fields })));
      }),
    );
    assert.deepEqual(set.findings().counts, {
      'box-outside': 1,
      'dangling-image': 1,
      'invalid-box': 2,
      'negative-size': 1,
      'unknown-class': 1,
      'zero-area': 1,
    });
  });
  test('boxes that training leaves out are truth all the same, as they are for pycocotools', async () => {
    const spec = writeCoco(
      root,
      changed(({ annotations }) => {
        const more = [
          { bbox: [10, 10, 0, 8], area: 0 },
          { bbox: [10, 10, 0.5, 8], area: 4 },
          { bbox: [900, 900, 5, 5], area: 25 },
        ];
        annotations.push(...more.map((fields, i) => ({ ...annotations[0], id: 50 + i, ...fields })));
      }),
    );
    const set = await native().openDataset(spec);
    const ours = await new (native().Evaluator)(set).summarize({});
    const [gt, dt] = [String(spec.annotations), join(folder, 'dt.json')];
    writeFileSync(dt, JSON.stringify([{ image_id: 1, category_id: 1, bbox: [1, 1, 2, 2], score: 0.5 }]));
    const scored = await native().score({ gt, dt, type: 'bbox', format: 'coco', interpolation: 'every' });
    const truths = ({ perClass }: Record<string, unknown>) =>
      (perClass as { name: string; truths: number }[]).map(({ name, truths: n }) => [name, n]);
    assert.deepEqual(truths(ours), [
      ['cat', 2],
      ['dog', 5],
    ]);
    assert.deepEqual(truths(ours), truths(scored as Record<string, unknown>));
  });
  test('nothing but crowds is nothing to train on', async () => {
    const content = changed(({ annotations }) => {
      for (const annotation of annotations) annotation.iscrowd = 1;
    });
    tells(await errorOf(() => loaderOf(writeCoco(root, content))), 'HD_DATA_EMPTY');
  });
  test('a file beyond 4 GB is refused with advice, unread', async () => {
    const file = openSync(join(root, 'large.json'), 'w');
    ftruncateSync(file, 2 ** 32); // sparse
    closeSync(file);
    const spec = { ...writeCoco(root, sound), annotations: join(root, 'large.json') };
    tells(await errorOf(() => native().openDataset(spec)), 'HD_DATA_TOO_LARGE', 'large.json');
  });
});

test('9: run lengths and polygons that cannot be are dropped and counted; the boxes stay', async () => {
  const shapes = [
    { counts: [5, 5], size: [48, 64] },
    { counts: '~~~', size: [48, 64] },
    { counts: [48 * 64], size: [4800, 6400] },
    [[1, 2, 3, 4]],
    [[1, 2, 3, 4, 5, null]],
  ];
  const set = await open(
    changed(({ annotations }) => {
      annotations.length = 0;
      for (const [i, segmentation] of shapes.entries())
        annotations.push({ id: i + 1, image_id: 1, category_id: 1, bbox: [2 * i, 1, 9, 9], segmentation });
    }),
  );
  assert.deepEqual(set.findings().counts, { 'invalid-polygon': 2, 'invalid-rle': 3 });
  assert.equal(set.image(0).labels.length, 5);
});

test('10: YOLO lines of another form are refused with their numbers, values out of range are findings', async () => {
  mkdirSync(join(root, 'labels'), { recursive: true });
  const yolo = (text: string) => {
    writeFileSync(join(root, 'labels/p1.txt'), text);
    const spec = {
      format: 'yolo',
      images: join(root, 'images'),
      labels: join(root, 'labels'),
      keepEmpty: true,
    };
    return native().openDataset({ ...spec, classes: ['cat', 'dog'] });
  };
  for (const line of ['0 .5 .5 .2', '0 .5 .5 .2 .2 .9', 'cat .5 .5 .2 .2', '0 nan .5 .2 .2', '0,.5,.5,.2,.2'])
    tells(await errorOf(() => yolo(`0 .5 .5 .2 .2\n${line}\n`)), 'HD_DATA_FORMAT', 'p1.txt:2');
  const counts = async (text: string) => (await yolo(text)).findings().counts;
  assert.equal((await counts('7 .5 .5 .2 .2\n'))['unknown-class'], 1);
  assert.deepEqual(await counts('0 5e-1 .5 2E-1 .2\r\n\r\n1 .5 .5 .1 .1'), { 'missing-labels': 3 });
  assert.deepEqual(await counts(''), { 'missing-labels': 3 });
});

test('11: entities of VOC XML are refused, whatever they would become', async () => {
  mkdirSync(join(root, 'xml'), { recursive: true });
  const laughs = Array.from({ length: 9 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join(
    '',
  );
  const bomb = `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l0 "lol">${laughs}]><annotation><object><name>&l9;</name></object></annotation>`;
  const outside = '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>';
  for (const text of [bomb, outside]) {
    writeFileSync(join(root, 'xml/p1.xml'), text);
    const spec = { format: 'voc', images: join(root, 'images'), annotations: join(root, 'xml') };
    tells(await errorOf(() => native().openDataset(spec)), 'HD_DATA_FORMAT', 'p1.xml');
  }
});

describe('47: numbers out of proportion', () => {
  test('no class is refused, one and ten thousand work', async () => {
    const spec = (classes: string[]) => ({
      ...{ format: 'yolo', images: join(root, 'images'), labels: join(root, 'labels'), keepEmpty: true },
      classes,
    });
    mkdirSync(join(root, 'labels'), { recursive: true });
    tells(await errorOf(() => native().openDataset(spec([]))), 'HD_DATA_CLASSES');
    for (const count of [1, 10_000]) {
      const classes = Array.from({ length: count }, (_, i) => `class ${i}`);
      assert.equal((await native().openDataset(spec(classes))).classes.length, count);
    }
  });
  test('no box in the whole set is nothing to train on, unless empty pictures are kept', async () => {
    const spec = writeCoco(
      root,
      changed((content) => Object.assign(content, { annotations: [] })),
    );
    tells(await errorOf(() => loaderOf(spec)), 'HD_DATA_EMPTY');
    const loader = await loaderOf({ ...spec, keepEmpty: true });
    loader.begin(0, 0);
    const batch = await loader.next();
    assert.equal(batch?.count, 4);
    loader.close();
  });
  test('5000 boxes in one picture arrive', async () => {
    const content = changed(({ annotations }) => {
      for (let i = 0; i < 5000; ++i)
        annotations.push({
          id: 100 + i,
          image_id: 1,
          category_id: 2,
          bbox: [i % 50, i % 40, 8, 8],
          area: 64,
        });
    });
    const loader = await loaderOf(writeCoco(root, content), { shuffle: false });
    loader.begin(0, 0);
    const batch = await loader.next();
    assert.equal(batch?.images.find(({ image }) => image === 0)?.labels.length, 5001);
    loader.close();
  });
});
