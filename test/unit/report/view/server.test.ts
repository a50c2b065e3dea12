import assert from 'node:assert/strict';
import { appendFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { HdError } from '../../../../lib/error.ts';
import type { News } from '../../../../lib/report/view/live-page.ts';
import { runFolders } from '../../../../lib/report/view/runs.ts';
import { serveRuns, type View } from '../../../../lib/report/view/server.ts';
import { temporaryFolder } from '../../../faults/command.ts';
import { evalLine, stepLine, writeRun } from '../run-folder.ts';

const root = temporaryFolder();
const views: View[] = [];
after(async () => {
  await Promise.all(views.map((view) => view.close()));
  rmSync(root, { recursive: true, force: true });
});

const one = writeRun(join(root, 'one'));
const two = writeRun(join(root, 'two'), { lines: [stepLine(1, 1), evalLine(1, 0.9)] });
writeFileSync(join(root, 'secret.png'), 'secret');
symlinkSync(join(root, 'secret.png'), join(one, 'pictures', 'link.png'));
writeFileSync(join(one, 'pictures', 'notes.txt'), 'notes');

async function serve(...folders: string[]): Promise<View> {
  const view = await serveRuns(folders, { port: 0, every: 20 });
  views.push(view);
  return view;
}

interface Answer {
  status: number;
  text: string;
  headers: IncomingMessage['headers'];
}

/** A request as it is written: nothing is put right on the way. */
function ask(
  { url }: View,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  const { port } = new URL(url);
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more) => (text += more));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text, headers: response.headers }),
      );
    });
    asked.on('error', reject).end();
  });
}

describe('pages', () => {
  test('one run is its report', async () => {
    const { status, text, headers } = await ask(await serve(one), '/');
    assert.equal(status, 200);
    assert.match(headers['content-type'] ?? '', /^text\/html/);
    assert.match(text, /<h1>one<\/h1>.*Best AP.*src="\/runs\/0\/pictures\/step-100\/000-a\.png"/s);
  });
  test('of several, a comparison and a report of each', async () => {
    const view = await serve(one, two);
    assert.match((await ask(view, '/')).text, /<h1>2 runs<.*Metrics of the runs.*href="\/runs\/1\/">two</s);
    assert.match((await ask(view, '/runs/1/')).text, /<h1>two<.*href="\/">all runs<.*0\.900/s);
    assert.equal((await ask(view, '/runs/2/')).status, 404);
  });
  test('a page is as new as its folder', async () => {
    const fresh = writeRun(join(root, 'fresh'));
    const view = await serve(fresh);
    appendFileSync(join(fresh, 'metrics.jsonl'), `${evalLine(310, 0.77)}\n`);
    assert.match((await ask(view, '/')).text, /0\.770/);
  });
});

describe('what is refused', () => {
  test('names of other hosts: a site that resolves to this machine gets nothing', async () => {
    const view = await serve(one);
    const { host, port } = new URL(view.url);
    assert.equal((await ask(view, '/', { Host: host })).status, 200);
    assert.equal((await ask(view, '/', { Host: `localhost:${port}` })).status, 200);
    for (const other of [
      `evil.example:${port}`,
      'evil.example',
      '127.0.0.1',
      `127.0.0.1.evil.example:${port}`,
    ])
      for (const path of ['/', '/events', '/runs/0/pictures/step-100/000-a.png'])
        assert.equal((await ask(view, path, { Host: other })).status, 403, other);
  });
  test('all that is no picture of the run, however it is written', async () => {
    const view = await serve(one, two);
    const good = await ask(view, '/runs/0/pictures/step-100/000-a.png');
    assert.deepEqual([good.status, good.headers['content-type']], [200, 'image/png']);
    for (const path of [
      '/runs/0/pictures/../../secret.png',
      '/runs/0/pictures/..%2f..%2fsecret.png',
      '/runs/0/pictures/%2e%2e/%2e%2e/secret.png',
      '/runs/0/pictures/%2e%2e%2f%2e%2e%2fsecret.png',
      '/runs/0/pictures/link.png',
      '/runs/0/pictures/notes.txt',
      '/runs/0/pictures/step-100',
      '/runs/0/pictures/..%2fmetrics.jsonl',
      '/runs/0/pictures/a%00.png',
      '/runs/0/pictures/%E0%A4%A',
      '/runs/9/pictures/step-100/000-a.png',
      '/runs/0/metrics.jsonl',
      '/metrics.jsonl',
      '//',
      '/%',
    ])
      assert.equal((await ask(view, path)).status, 404, path);
  });
  test('everything but GET', async () => {
    const view = await serve(one);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      assert.equal((await ask(view, '/', {}, method)).status, 405);
  });
  test('other sites may neither embed nor read it', async () => {
    const { headers } = await ask(await serve(one), '/');
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.match(headers['content-security-policy'] as string, /frame-ancestors 'none'/);
    assert.equal(headers['access-control-allow-origin'], undefined);
  });
});

/** Messages of the live page, until `enough` says so. */
async function listen(
  view: View,
  path: string,
  headers: Record<string, string>,
  act: () => void,
  enough: (news: News) => boolean,
) {
  const abort = new AbortController();
  const response = await fetch(new URL(path, view.url), { headers, signal: abort.signal });
  const got: News[] = [];
  let text = '';
  let acted = false;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString('utf8');
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
      if (data) got.push(JSON.parse(data));
      text = text.slice(end + 2);
    }
    if (!acted) act();
    acted = true;
    if (got.some(enough)) break;
  }
  abort.abort();
  return got;
}

describe('live', { timeout: 60_000 }, () => {
  test('what a run appends is sent to those who look, and only the sections that changed', async () => {
    const live = writeRun(join(root, 'live'));
    const view = await serve(live);
    const since = /since=(\d+)/.exec((await ask(view, '/')).text)?.[1];
    const got = await listen(
      view,
      `/events?since=${since}`,
      {},
      () => appendFileSync(join(live, 'metrics.jsonl'), `${evalLine(400, 0.88)}\n`),
      ({ sections }) => sections.some(({ html }) => html.includes('0.880')),
    );
    const ids = got.flatMap(({ sections }) => sections.map(({ id }) => id));
    assert.ok(ids.includes('headline') && ids.includes('classes'), ids.join());
    assert.ok(!ids.includes('recipe') && !ids.includes('confusion'), ids.join());
  });
  test('the comparison is live as well', async () => {
    const live = writeRun(join(root, 'live-2'));
    const view = await serve(live, two);
    await ask(view, '/');
    const got = await listen(
      view,
      '/events?since=0',
      {},
      () => appendFileSync(join(live, 'metrics.jsonl'), `${evalLine(400, 0.55)}\n`),
      ({ sections }) => sections.some(({ html }) => html.includes('0.550')),
    );
    assert.deepEqual(got[0]?.order, ['metrics', 'curves', 'recipes']);
  });
  test('a run that begins later in a folder of runs is shown: to who looks already, and to who comes', async () => {
    const folder = join(root, 'later');
    writeRun(join(folder, 'first'));
    const view = await serveRuns(runFolders([folder]), {
      port: 0,
      every: 20,
      again: () => runFolders([folder]),
    });
    views.push(view);
    assert.match((await ask(view, '/')).text, /<h1>first</);
    const got = await listen(
      view,
      '/events?since=0',
      {},
      () => writeRun(join(folder, 'another'), { lines: [evalLine(1, 0.123)] }),
      ({ sections }) => sections.some(({ html }) => html.includes('0.123')),
    );
    assert.deepEqual([got.at(-1)?.title, got.at(-1)?.order], ['2 runs', ['metrics', 'curves', 'recipes']]);
    assert.match((await ask(view, '/runs/0/')).text, /<h1>first</, 'the first keeps its place');
    assert.match((await ask(view, '/runs/1/')).text, /<h1>another</);
    writeRun(join(folder, 'third'));
    let text = '';
    // A search that took long is followed by a longer pause.
    for (let tries = 0; tries < 500 && !text.includes('<h1>3 runs<'); ++tries) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      text = (await ask(view, '/')).text;
    }
    assert.match(text, /<h1>3 runs<.*href="\/runs\/2\/">third</s);
    // A folder that cannot be read any more takes nothing away.
    rmSync(folder, { recursive: true });
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.match((await ask(view, '/')).text, /<h1>3 runs</);
  });
  test('a reader that comes back says what it has', async () => {
    const view = await serve(one);
    const version = /since=(\d+)/.exec((await ask(view, '/')).text)?.[1] ?? '';
    const got = await listen(
      view,
      '/events?since=0',
      { 'Last-Event-ID': String(Number(version) - 1) },
      () => {},
      () => true,
    );
    assert.equal(got.length, 1);
    assert.equal(String(got[0]?.version), version);
  });
});

describe('the port', () => {
  test('the one that is asked for, or an error that says so', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    await assert.rejects(
      serveRuns([one], { port }),
      (error) =>
        error instanceof HdError &&
        error.code === 'HD_USAGE' &&
        error.message.includes(`--port but ${port} is in use`),
    );
    taken.close();
  });
  test('without, the next that is free', async () => {
    const first = await serveRuns([one]);
    const second = await serveRuns([one]);
    views.push(first, second);
    assert.notEqual(first.url, second.url);
    for (const { url } of [first, second]) {
      const port = Number(new URL(url).port);
      assert.ok(port >= 8700 && port < 8720, url);
    }
  });
  test('closing ends it, also while somebody looks', async () => {
    const view = await serveRuns([one], { port: 0 });
    const response = await fetch(new URL('/events?since=0', view.url));
    await view.close();
    await assert.rejects(response.text());
    await assert.rejects(fetch(view.url));
  });
});
