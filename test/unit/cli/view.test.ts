import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { run, start, temporaryFolder } from '../../faults/command.ts';
import { writeRun } from '../report/run-folder.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));
const runs = ['a', 'b'].map((name) => writeRun(join(root, 'runs', name)));

/** Starts it, waits for the first line, and ends it by a signal. */
async function view(args: string[], signal: NodeJS.Signals, look: (line: string) => Promise<void>) {
  const { child, done } = start(['view', '--port', '0', ...args]);
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (text) => resolve(String(text)));
    done.then(({ stderr }) => reject(new Error(stderr)));
  });
  await look(line);
  child.kill(signal);
  return done;
}

describe('view', () => {
  test('says where, shows it, and ends cleanly by Ctrl-C while a page is open', async () => {
    const end = await view([runs[0] as string], 'SIGINT', async (line) => {
      assert.match(line, /^http:\/\/127\.0\.0\.1:\d+\/ shows .*runs\/a; Ctrl-C ends it\n$/);
      const url = line.split(' ')[0] as string;
      assert.match(await (await fetch(url)).text(), /<h1>a</);
      const events = await fetch(new URL('/events?since=0', url));
      assert.equal(events.status, 200);
    });
    assert.deepEqual([end.status, end.signal, end.stderr], [0, null, '']);
  });
  test('several runs, or the folder of all; for machines too', async () => {
    for (const args of [runs, [join(root, 'runs')]]) {
      const end = await view(['--json', ...args], 'SIGTERM', async (line) => {
        const { url, runs: shown } = JSON.parse(line);
        assert.deepEqual(shown, runs);
        assert.match(await (await fetch(url)).text(), /2 runs/);
      });
      assert.equal(end.status, 0);
    }
  });
  test('a run that begins later is shown as well', async () => {
    const folder = join(root, 'later');
    writeRun(join(folder, 'a'));
    const end = await view([folder], 'SIGINT', async (line) => {
      const url = line.split(' ')[0] as string;
      writeRun(join(folder, 'b'));
      for (let tries = 0; ; ++tries) {
        if (/<h1>2 runs</.test(await (await fetch(url)).text())) return;
        assert.ok(tries < 100, 'it never came');
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    });
    assert.equal(end.status, 0);
  });
  test('what is wrong with the arguments is said', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    for (const [args, message] of [
      [[], /at least 1/],
      [[join(root, 'nowhere')], /nowhere/],
      [[runs[0] as string, '--port', '99999'], /--port/],
      [[runs[0] as string, '--port', String(port)], /in use/],
    ] as const) {
      const end = run(['view', ...args]);
      assert.equal(end.status, 2, end.stderr);
      assert.match(end.stderr, message);
    }
    taken.close();
  });
});
