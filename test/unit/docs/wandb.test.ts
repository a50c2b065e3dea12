import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../../faults/command.ts';
import { evalLine, statusOf, stepLine, writeRun } from '../report/run-folder.ts';
import { finishRun, startFollowing } from './follow.ts';

const example = fileURLToPath(new URL('../../../docs/examples/wandb-log.py', import.meta.url));
const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

// The client keeps no values of a step that lies behind, as W&B has it, and writes down each call.
const modules = join(root, 'modules');
mkdirSync(modules);
writeFileSync(
  join(modules, 'wandb.py'),
  `
import json, os

def note(what, **values):
    with open(os.environ["CALLS"], "a") as file:
        file.write(json.dumps({"what": what, **values}) + "\\n")

class Run:
    last = -1

    def log(self, data, step=None):
        assert step >= self.last, f"step {step} lies behind {self.last}"
        self.last = step
        note("log", data=data, step=step)

    def finish(self, exit_code=None):
        note("finish", exit_code=exit_code)

def init(project=None, name=None, id=None, resume=None):
    note("init", project=project, name=name, id=id, resume=resume)
    return Run()
`,
);

interface Call {
  what: string;
  data?: Record<string, number>;
  step?: number;
  [more: string]: unknown;
}

/** Runs the example; `calls` are those of this and earlier times for the same folder. */
function follow(folder: string) {
  const log = `${folder}.calls`;
  const ended = startFollowing('python3', [example, folder, 'cells'], {
    PYTHONPATH: modules,
    CALLS: log,
    PYTHONDONTWRITEBYTECODE: '1',
  });
  const calls = () =>
    (existsSync(log) ? readFileSync(log, 'utf8') : '')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Call);
  return { calls, ended };
}

const values = (calls: Call[], name: string) =>
  calls.flatMap(({ data, step }) => (data && name in data ? [[step, data[name]]] : []));

const python = spawnSync('python3', ['--version']).status === 0;

describe('the W&B example of the guide', {
  timeout: 120_000,
  skip: python ? false : 'python3 is not installed',
}, () => {
  test('follows a run to its end, and sends every number once with its step', async () => {
    const folder = writeRun(join(root, 'cells-1'), { lines: [stepLine(1, 3)] });
    const { calls, ended } = follow(folder);
    while (calls().length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    await finishRun(folder, `${stepLine(2, 0, { dataWait: 1, skipped: true })}\n${evalLine(2, 1)}\n`);
    const { status, stdout, stderr } = await ended;
    assert.equal(status, 0, stderr);
    const id = calls()[0]?.id;
    assert.deepEqual(calls()[0], { what: 'init', project: 'cells', name: 'cells-1', id, resume: 'allow' });
    assert.match(stdout, new RegExp(`as run ${id} of cells`));
    assert.deepEqual(calls().at(-1), { what: 'finish', exit_code: 0 });
    // JavaScript writes 0.0 and 1.0 as 0 and 1.
    const of = (name: string) => values(calls(), name);
    assert.deepEqual(of('train/losses/total'), [
      [1, 3],
      [2, 0],
    ]);
    assert.deepEqual(of('train/dataWait').at(-1), [2, 1]);
    assert.deepEqual(of('eval/ap'), [[2, 1]]);
    assert.deepEqual(of('train/lr')[0], [1, 0.01]);
    assert.deepEqual(of('train/imagesPerSecond')[0], [1, 12.5]);
    assert.deepEqual(of('train/memory/rss')[0], [1, 1.5 * 2 ** 30]);
    // What is undefined, and what is no number, is left out.
    assert.deepEqual(of('eval/apSmall'), []);
    assert.deepEqual(of('train/skipped'), []);
  });
  test('called again after a resume, it goes on in the same run and repeats nothing', async () => {
    const folder = writeRun(join(root, 'again'), {
      lines: [stepLine(1, 3), stepLine(2, 2)],
      status: statusOf({ state: 'interrupted' }),
    });
    assert.equal((await follow(folder).ended).status, 0);
    writeRun(folder, {
      lines: [stepLine(1, 3), stepLine(2, 2), stepLine(3, 1)],
      status: statusOf({ state: 'done' }),
    });
    const { calls, ended } = follow(folder);
    assert.equal((await ended).status, 0);
    const begun = calls().filter(({ what }) => what === 'init');
    assert.equal(begun.length, 2);
    assert.equal(begun[0]?.id, begun[1]?.id);
    assert.deepEqual(
      calls().flatMap(({ what, exit_code }) => (what === 'finish' ? [exit_code] : [])),
      [1, 0],
    );
    assert.deepEqual(
      values(calls(), 'train/lr').map(([step]) => step),
      [1, 2, 3],
    );
  });
});
