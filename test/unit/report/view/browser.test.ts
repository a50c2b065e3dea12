import assert from 'node:assert/strict';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { runFolders } from '../../../../lib/report/view/runs.ts';
import { serveRuns, type View } from '../../../../lib/report/view/server.ts';
import { temporaryFolder } from '../../../faults/command.ts';
import { assertGood, noBrowser, openBrowser, openPage } from '../chromium.ts';
import { evalLine, statusOf, stepLine, writeRun } from '../run-folder.ts';

const root = temporaryFolder();
const views: View[] = [];
let browser: Browser;
before(async () => {
  if (!noBrowser) browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await Promise.all(views.map((view) => view.close()));
  rmSync(root, { recursive: true, force: true });
});

async function serve(...folders: string[]): Promise<View> {
  const view = await serveRuns(folders, { port: 0, every: 50 });
  views.push(view);
  return view;
}

describe('view in a browser', { skip: noBrowser, timeout: 240_000 }, () => {
  for (const scheme of ['light', 'dark'] as const)
    test(`${scheme}: the comparison and a run, without errors or barriers`, async () => {
      const view = await serve(
        writeRun(join(root, `${scheme}-a`)),
        writeRun(join(root, `${scheme}-b`), { recipe: 'train: { lr: 1 }' }),
      );
      const own = new RegExp(`^${view.url}`);
      const watched = await openPage(browser, scheme);
      await watched.page.goto(view.url);
      await watched.page.getByText('live', { exact: true }).waitFor();
      await assertGood(watched, own);
      if (process.env.HDTRAIN_SCREENSHOTS)
        await watched.page.screenshot({
          path: join(process.env.HDTRAIN_SCREENSHOTS, `view-${scheme}.png`),
          fullPage: true,
        });
      await watched.page.getByRole('link', { name: `${scheme}-b` }).click();
      await watched.page.getByRole('heading', { name: 'Pictures' }).waitFor();
      await watched.page.locator('.pictures img').first().scrollIntoViewIfNeeded();
      await watched.page.waitForFunction(
        () => (document.querySelector('.pictures img') as HTMLImageElement).naturalWidth > 0,
      );
      await assertGood(watched, own);
      await watched.page.close();
    });
  test('a second run that begins makes a comparison of the page', async () => {
    const folder = join(root, 'runs');
    writeRun(join(folder, 'first'));
    const again = () => runFolders([folder]);
    const view = await serveRuns(again(), { port: 0, every: 50, again });
    views.push(view);
    const watched = await openPage(browser);
    const { page } = watched;
    await page.goto(view.url);
    await page.getByText('live', { exact: true }).waitFor();
    writeRun(join(folder, 'second'));
    await page.getByRole('heading', { name: '2 runs' }).waitFor();
    assert.equal(await page.title(), '2 runs');
    await assertGood(watched, new RegExp(`^${view.url}`));
    await page.getByRole('link', { name: 'second' }).click();
    await page.getByRole('heading', { name: 'second' }).waitFor();
    await page.close();
  });
  test('what the run appends appears; what is open stays open, what is read stays still', async () => {
    const folder = writeRun(join(root, 'grows'), {
      lines: [stepLine(1, 3), stepLine(2, 2)],
      diagnosis: null,
    });
    const watched = await openPage(browser);
    const { page } = watched;
    await page.goto((await serve(folder)).url);
    await page.getByText('live', { exact: true }).waitFor();
    assert.equal(await page.locator('#classes').count(), 0);
    await page.locator('#curves summary').first().click();
    appendFileSync(join(folder, 'metrics.jsonl'), `${stepLine(3, 1)}\n${evalLine(3, 0.66)}\n`);
    await page.locator('#classes').waitFor();
    assert.match((await page.locator('#headline').textContent()) ?? '', /Best AP0\.660/);
    await page.locator('#curves tbody th', { hasText: /^3$/ }).first().waitFor();
    assert.equal(await page.locator('#curves details').first().getAttribute('open'), '');
    const order = await page.locator('main > section').evaluateAll((all) => all.map(({ id }) => id));
    assert.deepEqual(order, ['headline', 'curves', 'classes', 'sizes', 'pictures', 'recipe']);
    const links = await page
      .locator('nav a')
      .evaluateAll((all) => all.map((one) => one.getAttribute('href')));
    assert.deepEqual(
      links,
      order.slice(1).map((id) => `#${id}`),
    );

    // A chart under the reader's keys waits.
    const plot = page.locator('.plot').first();
    await plot.focus();
    await page.keyboard.press('End');
    appendFileSync(join(folder, 'metrics.jsonl'), `${stepLine(4, 0.5)}\n`);
    writeFileSync(join(folder, 'status.json'), JSON.stringify(statusOf({ state: 'done', step: 4 })));
    await page.getByText('done', { exact: true }).waitFor();
    assert.match((await plot.locator('output').textContent()) ?? '', /^step 3: total 1/);
    await page.locator('h1').click();
    await page.locator('#curves tbody th', { hasText: /^4$/ }).first().waitFor();
    await assertGood(watched, /^http:\/\/127\.0\.0\.1/);
    await page.close();
  });
  test('when the server ends, the page says so and stays', async () => {
    const view = await serve(writeRun(join(root, 'ends')));
    const { page } = await openPage(browser);
    await page.goto(view.url);
    await page.getByText('live', { exact: true }).waitFor();
    await view.close();
    await page.getByText('this page stands still').waitFor();
    assert.ok(await page.getByText('Best AP').isVisible());
    await page.close();
  });
});
