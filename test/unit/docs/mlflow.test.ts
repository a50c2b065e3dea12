import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../../faults/command.ts';
import { evalLine, statusOf, stepLine, writeRun } from '../report/run-folder.ts';
import { finishRun, startFollowing } from './follow.ts';

const example = fileURLToPath(new URL('../../../docs/examples/mlflow.js', import.meta.url));
const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

interface Metric {
  key: string;
  value: number;
  step: number;
  timestamp: number;
}

/** Takes what the REST interface of MLflow takes, and refuses what that refuses. */
async function startFake() {
  const calls: { what: string; body: Record<string, unknown> }[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (more) => (text += more));
    request.on('end', () => {
      const what = (request.url ?? '').replace('/api/2.0/mlflow/', '');
      const body = JSON.parse(text);
      calls.push({ what, body });
      const bad = (body.metrics ?? []).some(({ key }: Metric) => !/^[\w\-. /]+$/.test(key));
      response.writeHead(bad ? 400 : 200).end(JSON.stringify({ run: { info: { run_id: 'r-1' } } }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const metrics = () => calls.flatMap(({ body }) => (body.metrics ?? []) as Metric[]);
  return { calls, metrics, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

const follow = (folder: string, url: string) => startFollowing(process.execPath, [example, folder, url]);

describe('the MLflow example of the guide', { timeout: 120_000 }, () => {
  test('follows a run to its end, and sends every number once with its step', async () => {
    const { calls, metrics, url, server } = await startFake();
    const folder = writeRun(join(root, 'cells-1'), {
      lines: [stepLine(1, 3, { losses: { total: 3, 'odd:name': 1 } })],
    });
    const ended = follow(folder, url);
    while (metrics().length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await finishRun(folder, `${stepLine(2, 2)}\n${evalLine(2, 0.5)}\n`);
    const { status, stdout, stderr } = await ended;
    assert.equal(status, 0, stderr);
    assert.match(stdout, /as run r-1/);
    assert.equal(calls[0]?.what, 'runs/create');
    assert.equal(calls[0]?.body.run_name, 'cells-1');
    assert.deepEqual([calls.at(-1)?.what, calls.at(-1)?.body.status], ['runs/update', 'FINISHED']);
    const of = (key: string) => metrics().flatMap((one) => (one.key === key ? [[one.step, one.value]] : []));
    assert.deepEqual(of('train/losses/total'), [
      [1, 3],
      [2, 2],
    ]);
    assert.deepEqual(of('train/losses/odd_name'), [[1, 1]]);
    assert.deepEqual(of('train/memory/rss')[0], [1, 1.5 * 2 ** 30]);
    assert.deepEqual(of('eval/ap'), [[2, 0.5]]);
    assert.deepEqual(of('eval/apSmall'), []);
    server.close();
  });
  test('called again after a resume, it goes on in the same run and repeats nothing', async () => {
    const { calls, metrics, url, server } = await startFake();
    const folder = writeRun(join(root, 'again'), {
      lines: [stepLine(1, 3), stepLine(2, 2)],
      status: statusOf({ state: 'interrupted' }),
    });
    assert.equal((await follow(folder, url)).status, 0);
    assert.equal(calls.at(-1)?.body.status, 'KILLED');
    writeRun(folder, {
      lines: [stepLine(1, 3), stepLine(2, 2), stepLine(3, 1)],
      status: statusOf({ state: 'done' }),
    });
    assert.equal((await follow(folder, url)).status, 0);
    assert.equal(calls.filter(({ what }) => what === 'runs/create').length, 1);
    const steps = metrics().flatMap(({ key, step }) => (key === 'train/lr' ? [step] : []));
    assert.deepEqual(steps, [1, 2, 3]);
    server.close();
  });
  test('a server that is not there is an error', async () => {
    const folder = writeRun(join(root, 'alone'));
    assert.notEqual((await follow(folder, 'http://127.0.0.1:9')).status, 0);
  });
});
