import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { reportPage } from '../../../../lib/report/html/report.ts';
import { RunReader } from '../../../../lib/report/run/run-reader.ts';
import { temporaryFolder } from '../../../faults/command.ts';
import { assertGood, barriers, noBrowser, openBrowser, openPage } from '../chromium.ts';
import {
  diagnosisOf,
  evalLine,
  hostile,
  type RunFiles,
  statusOf,
  stepLine,
  writeRun,
} from '../run-folder.ts';

const root = temporaryFolder();
let browser: Browser;
before(async () => {
  if (!noBrowser) browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  rmSync(root, { recursive: true, force: true });
});

function write(name: string, files: RunFiles = {}): string {
  const run = new RunReader(writeRun(join(root, name), files));
  run.refresh();
  writeFileSync(join(root, name, 'report.html'), reportPage(run));
  return pathToFileURL(join(root, name, 'report.html')).href;
}

describe('report.html in a browser', { skip: noBrowser }, () => {
  for (const scheme of ['light', 'dark'] as const)
    test(`${scheme}: no errors, no requests, nobody kept out`, async () => {
      const watched = await openPage(browser, scheme);
      await watched.page.goto(write(scheme));
      await assertGood(watched, /^file:.*report\.html$/);
      // All tables open: they must keep the same rules.
      await watched.page.evaluate(() => {
        for (const element of document.querySelectorAll('details')) element.open = true;
      });
      await assertGood(watched, /^file:.*report\.html$/);
      const back = await watched.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      assert.equal(back, scheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(20, 23, 26)');
      if (process.env.HDTRAIN_SCREENSHOTS)
        await watched.page.screenshot({
          path: join(process.env.HDTRAIN_SCREENSHOTS, `report-${scheme}.png`),
          fullPage: true,
        });
      await watched.page.close();
    });
  test('on a telephone nothing but tables scrolls sideways', async () => {
    const watched = await openPage(browser);
    await watched.page.setViewportSize({ width: 360, height: 740 });
    await watched.page.goto(
      write('small', { diagnosis: diagnosisOf(Array.from({ length: 30 }, (_, i) => `class number ${i}`)) }),
    );
    await assertGood(watched, /^file:/);
    await watched.page.close();
  });
  test('names that are markup stay text', async () => {
    const classes = [hostile, 'dog'];
    const watched = await openPage(browser);
    await watched.page.goto(
      write('hostile', {
        lines: [
          stepLine(1, 1, { losses: { [hostile]: 1 } }),
          stepLine(2, 1, { losses: { [hostile]: 2 } }),
          evalLine(2, 0.5, true, classes),
        ],
        diagnosis: diagnosisOf(classes),
        status: statusOf({ recipe: hostile, note: hostile, state: 'failed' }),
        recipe: hostile,
      }),
    );
    await assertGood(watched, /^file:/);
    assert.equal(await watched.page.title(), 'hostile – hdtrain');
    const names = await watched.page.locator('#classes tbody th').allTextContents();
    assert.ok(names.includes(hostile));
    await watched.page.locator('.plot').first().focus();
    await watched.page.keyboard.press('End');
    assert.equal(await watched.page.locator('.plot output').first().textContent(), `step 2: ${hostile} 2`);
    await watched.page.close();
  });
  test('values are read off by keys and by pointer', async () => {
    const { page } = await openPage(browser);
    await page.goto(write('keys'));
    const plot = page.locator('.plot').first();
    const said = () => plot.locator('output').textContent();
    await plot.focus();
    await page.keyboard.press('Home');
    assert.equal(await said(), 'step 10: total 3, box 1.5');
    await page.keyboard.press('ArrowRight');
    assert.equal(await said(), 'step 20: total 1.5, box 0.75');
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowRight');
    assert.equal(await said(), 'step 300: total 0.1, box 0.05');
    await page.keyboard.press('ArrowLeft');
    assert.match((await said()) ?? '', /^step 290:/);
    const box = await plot.locator('svg').boundingBox();
    if (!box) throw new Error('the chart has a place');
    await page.mouse.move(box.x + box.width * 0.11, box.y + box.height / 2);
    assert.match((await said()) ?? '', /^step [12]0:/);
    await page.close();
  });
  test('without scripts everything is there to read', async () => {
    const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
    await page.goto(write('silent'));
    assert.equal(await page.locator('.chart').count(), 10);
    await page.locator('summary').first().click();
    assert.ok(await page.locator('.chart table').first().isVisible());
    await page.context().close();
  });
});

test('the check for barriers finds them', { skip: noBrowser }, async () => {
  const { page } = await openPage(browser);
  await page.setContent(
    '<h1>t</h1><h3>x</h3><img src="data:,"><a href="#no"></a><table><tr><th>a</th></tr></table><p style="color:#999">pale</p><div style="overflow:auto;width:9px"><i>wide</i></div>',
  );
  const found = (await barriers(page)).join('\n');
  for (const what of [
    'no language',
    '0 × main',
    'left out',
    'without alt',
    'no name',
    'leads nowhere',
    'without caption',
    'no row',
    'contrast 2.85',
    'by keyboard',
  ])
    assert.ok(found.includes(what), `${what} in ${found}`);
  await page.close();
});
