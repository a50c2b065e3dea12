import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Browsed, type BrowsedPicture, browsePage } from '../../../../lib/report/html/browse-page.ts';
import { temporaryFolder } from '../../../faults/command.ts';
import { writePng } from '../../cli/files.ts';
import { assertGood, noBrowser, openBrowser, openPage } from '../chromium.ts';
import { hostile } from '../run-folder.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

const colours = ['#ff0000', '#00ff00', '#0000ff'];
const colourOf = (label: number) => (label < 0 ? '#9a9a9a' : (colours[label % colours.length] as string));

function pictureOf(i: number, more: Partial<BrowsedPicture> = {}): BrowsedPicture {
  const name = `${String(i).padStart(4, '0')}.png`;
  return { name, file: `cells/${i}.jpg`, epoch: 2, step: 1234, labels: [0, 2, 2], size: [320, 256], ...more };
}

function pageOf(more: Partial<Browsed> = {}): string {
  return browsePage({
    recipe: 'cells',
    split: 'train',
    pictures: [pictureOf(0), pictureOf(1, { labels: [2] })],
    classes: ['RBC', 'Platelets', 'WBC'],
    colourOf,
    augment: [{ flip: { probability: 0.5 } }, { affine: { scale: [0.6, 1.4], rotate: 5 } }],
    ...more,
  });
}
const textOf = (page: string) =>
  page
    .slice(page.indexOf('<body>'))
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ');

describe('what stands in it', () => {
  test('each picture: the file beside the page, its source, when it comes, its boxes and its canvas', () => {
    const page = pageOf();
    assert.match(
      page,
      /<a href="0000\.png"><img src="0000\.png" alt="cells\/0\.jpg with 3 boxes" width="320" height="256" loading="lazy"><\/a>/,
    );
    const text = textOf(page);
    assert.match(text, /cells\/0\.jpg epoch 2, step 1,234 · 3 boxes · 320 × 256/);
    assert.match(text, /cells\/1\.jpg epoch 2, step 1,234 · 1 box · /);
    assert.match(text, /2 pictures of data\.train with 4 boxes/);
  });
  test('a legend of the classes that are there, in their colours, with how often', () => {
    const entries = [
      ...pageOf().matchAll(/<li><span class="swatch" style="--colour:(#\w+)".*?<\/span>(.*?)<\/li>/g),
    ];
    assert.deepEqual(
      entries.map(([, colour, name]) => [colour, textOf(`<body>${name}`).trim()]),
      [
        ['#ff0000', 'RBC 1'],
        ['#0000ff', 'WBC 3'],
        ['#9a9a9a', 'left out of training'],
      ],
    );
    assert.match(textOf(pageOf()), /1 of 3 classes are in none of these pictures/);
    assert.doesNotMatch(textOf(pageOf()), /more classes than colours/);
  });
  test('colours that repeat are told', () => {
    const pictures = [pictureOf(0, { labels: [0, 3] })];
    assert.match(textOf(pageOf({ pictures, classes: ['a', 'b', 'c', 'd'] })), /more classes than colours/);
  });
  test('the steps of the augmentation with their fields, or that there are none', () => {
    const text = textOf(pageOf());
    assert.match(
      text,
      /went through data\.augment : flip probability 0\.5 affine scale \[0\.6,1\.4\], rotate 5 /,
    );
    assert.match(textOf(pageOf({ augment: [] })), /not augmented: data\.augment is empty/);
    assert.match(textOf(pageOf({ split: 'val' })), /pictures of data\.val .* They are not augmented\. /);
    assert.doesNotMatch(textOf(pageOf({ split: 'val' })), /flip/);
  });
  test('no picture at all', () => {
    assert.match(textOf(pageOf({ pictures: [] })), /0 pictures .* There is no picture\./);
  });
});

test('it asks nobody for anything but the pictures beside it, and runs no script', () => {
  const page = pageOf();
  assert.deepEqual(
    [...page.matchAll(/(?:src|href)="(?!data:|#)([^"]*)"/g)].map(([, address]) => address),
    ['0000.png', '0000.png', '0001.png', '0001.png'],
  );
  assert.match(page, /default-src &#39;none&#39;.*script-src &#39;none&#39;/);
  assert.doesNotMatch(page, /<script/);
});

test('in a browser: the pictures are there, nobody is kept out, and names stay text', {
  skip: noBrowser,
}, async () => {
  const browser = await openBrowser();
  try {
    const pictures = [0, 1, 2].map((i) => pictureOf(i, { file: hostile }));
    for (const { name } of pictures) writePng(join(root, name), 48, 32, 7);
    const path = join(root, 'index.html');
    writeFileSync(path, pageOf({ recipe: hostile, classes: [hostile, 'b', hostile], pictures }));
    for (const scheme of ['light', 'dark'] as const) {
      const watched = await openPage(browser, scheme);
      await watched.page.goto(pathToFileURL(path).href);
      await assertGood(watched, /^file:.*(index\.html|000\d\.png)$/);
      const widths = await watched.page.evaluate(() =>
        [...document.images].map((image) => image.naturalWidth),
      );
      assert.deepEqual(widths, [48, 48, 48]);
      await watched.page.setViewportSize({ width: 360, height: 740 });
      await assertGood(watched, /^file:/);
      await watched.page.close();
    }
  } finally {
    await browser.close();
  }
});
