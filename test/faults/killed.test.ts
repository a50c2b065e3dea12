/** Processes that are killed while they write, or crash, from outside: what the next one finds and says (faults 20, 29, 34). */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TrainEvent } from '../../lib/index.ts';
import { start, temporaryFolder, writeRecipe } from './command.ts';
import { train, weightsOf } from './train.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const recipe = writeRecipe(folder);
const calm = join(folder, 'calm');
before(async () => {
  assert.equal((await train(recipe, calm)).result?.status, 'done');
});
/** Empty as well where a folder changes its name meanwhile. */
function filesBelow(path: string): string[] {
  try {
    return readdirSync(path, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
}

/** Starts the run, waits until `due`, and sends the signal at that very moment. */
async function endWhen(into: string, signal: NodeJS.Signals, due: () => boolean) {
  const { child, done } = start(['--config', recipe, '--run', into, '--resume', 'auto']);
  let ended = false;
  done.then(() => (ended = true));
  // Between two looks the loop may not sleep: a file is written within milliseconds.
  while (!ended) {
    const until = performance.now() + 20;
    let now = false;
    while (!now && performance.now() < until) now = due();
    if (now) break;
    await sleep(1);
  }
  child.kill(signal);
  return done;
}

const warningsOf = (events: readonly TrainEvent[]) =>
  events.flatMap((event) => (event.type === 'start' ? event.warnings : []));

async function endsCalm(into: string) {
  const { error, result, events } = await train(recipe, into);
  assert.equal(error, undefined);
  assert.equal(result?.status, 'done');
  assert.ok(weightsOf(into).equals(weightsOf(calm)));
  assert.deepEqual(
    filesBelow(into).filter((name) => name.includes('.tmp-')),
    [],
  );
  return warningsOf(events);
}

const isTold = (warning: string) =>
  /^the process before this one ended without a word, .*exit code 137.*lower train\.batch/.test(warning);
const assertTold = (warnings: string[]) => assert.ok(warnings.some(isTold), warnings.join());

describe('20: SIGKILL in the middle of a write', () => {
  for (const [what, behind] of [
    ['weights.safetensors', 0],
    ['weights.safetensors', 2],
    ['student.safetensors', 2],
  ] as const) {
    test(`20: of ${what} behind ${behind} checkpoints: half a file stays, and the run that goes on ends bit-equal`, async () => {
      const into = join(folder, `write-${what}-${behind}`);
      const whole = Math.max(
        ...filesBelow(calm)
          .filter((name) => name.endsWith(what))
          .map((name) => statSync(join(calm, name)).size),
      );
      const half = () =>
        filesBelow(into)
          .filter((name) => name.includes('.tmp-') && name.includes(what))
          .map((name) => statSync(join(into, name), { throwIfNoEntry: false })?.size ?? 0)
          .some((size) => size > 0 && size < whole);
      const checkpoints = () => filesBelow(into).filter((name) => name.endsWith('state.json')).length;
      // The writer may be through before the signal arrives: then once more.
      for (let tries = 0; ; ++tries) {
        assert.ok(tries < 8, 'no write was hit in its middle');
        rmSync(into, { recursive: true, force: true });
        const end = await endWhen(into, 'SIGKILL', () => half() && checkpoints() >= behind);
        if (end.signal === 'SIGKILL' && half()) break;
      }
      assertTold(await endsCalm(into));
    });
  }
});

test('29: a codec that crashes takes the process: the run that goes on says so, and ends bit-equal', async () => {
  const into = join(folder, 'crash');
  const latest = join(into, 'checkpoints/latest');
  const end = await endWhen(into, 'SIGSEGV', () => existsSync(latest));
  assert.equal(end.signal, 'SIGSEGV', end.stderr);
  assertTold(await endsCalm(into));
});

test('34: what the system killed for want of memory is told by the next start; what ended by itself is not', async () => {
  const into = join(folder, 'starved');
  const end = await endWhen(into, 'SIGKILL', () => existsSync(join(into, 'checkpoints/latest')));
  assert.equal(end.signal, 'SIGKILL');
  const stopping = new AbortController();
  const stopper = { name: 'stopper', afterStep: () => stopping.abort() };
  const first = await train(recipe, into, { hooks: [stopper], signal: stopping.signal });
  assert.equal(first.result?.status, 'interrupted');
  assertTold(warningsOf(first.events));
  assert.deepEqual((await endsCalm(into)).filter(isTold), []);
});
