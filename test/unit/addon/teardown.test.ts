/** What happens to native threads when the program ends, or one of its functions throws, while they work. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const folder = mkdtempSync(join(tmpdir(), 'hdtrain-teardown-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Runs a program that trains from a source of its own; `body` sees `event` and the count `steps`. */
function program(name: string, { body = '', onReturn = '' }) {
  const script = `
    import { Trainer } from ${JSON.stringify(join(root, 'lib/index.ts'))};
    const get = () => ({ image: new Uint8Array(64 * 64 * 3), width: 64, height: 64, boxes: [[4, 4, 40, 40]], labels: [0] });
    const recipe = {
      model: { neckChannels: 32, headChannels: 32, headConvs: 1 },
      data: { format: 'source', train: {}, size: 64 },
      train: { steps: 50, batch: 2, threads: 1 },
      log: { every: 1 },
    };
    const train = { length: 16, classes: ['a'], get, onReturn: () => { ${onReturn} } };
    let steps = 0;
    for await (const event of new Trainer(recipe, { run: ${JSON.stringify(join(folder, name))}, sources: { train } }).run()) {
      if (event.type === 'step') steps += 1;
      ${body}
    }
    console.log('steps', steps);`;
  return spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    cwd: root,
    encoding: 'utf8',
    timeout: 120_000,
  });
}

describe('the end of a program in the middle of its work', () => {
  for (let round = 0; round < 4; ++round) {
    test(`process.exit while pictures are on their way ends quietly (round ${round + 1})`, () => {
      const end = program(`exit-${round}`, { body: `if (steps === ${1 + round}) process.exit(0);` });
      assert.equal(end.signal, null, end.stderr);
      assert.equal(end.status, 0, end.stderr);
      assert.equal(end.stderr, '');
    });
  }

  test('an exception in the middle of the loop is JavaScript’s own, not a crash', () => {
    const end = program('throw', { body: "if (steps === 2) throw new Error('of the program');" });
    assert.equal(end.signal, null, end.stderr);
    assert.equal(end.status, 1);
    assert.match(end.stderr, /of the program/);
  });
});

test('what onReturn throws is an uncaught exception that the program can catch', () => {
  const caught = program('caught', {
    onReturn: "throw new Error('from onReturn');",
    body: "if (steps === 1 && event.type === 'step') process.on('uncaughtException', () => {}); if (steps === 4) process.exit(0);",
  });
  assert.equal(caught.signal, null, caught.stderr);
  const uncaught = program('uncaught', { onReturn: "throw new Error('from onReturn');" });
  assert.equal(uncaught.signal, null, uncaught.stderr);
  assert.notEqual(uncaught.status, 0);
  assert.match(uncaught.stderr, /from onReturn/);
});

test('endProcess ends at once with its code: no handler runs any more, nothing is waited for', () => {
  const script = `
    import { native } from ${JSON.stringify(join(root, 'lib/native.ts'))};
    const addon = native();
    process.on('exit', () => console.log('a handler ran'));
    setTimeout(() => {}, 60_000);
    addon.endProcess(7);`;
  const end = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    cwd: root,
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.deepEqual([end.status, end.signal, end.stdout], [7, null, ''], end.stderr);
});
