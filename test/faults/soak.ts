/**
 * A run that is killed, terminated, starved of disk and disturbed at random moments, again and again, and goes on each time.
 * It ends with the weights of the undisturbed run; what each sitting holds in memory does not grow, nor does what this process
 * holds, which trains once beside each round under the kinds of trouble that end no process.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { savingRecipe, writeRecipe } from './command.ts';
import { Random } from './random.ts';
import { train, weightsOf } from './train.ts';

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Every kind of trouble that costs time alone: the weights stay those of the undisturbed run. */
const troubles = ['kill', 'terminate', 'outside', 'disk-full', 'stall'] as const;
const points = ['step', 'save.begin', 'save.before_rename', 'save.after_rename', 'save.end'] as const;

interface Sitting {
  trouble: (typeof troubles)[number] | 'none';
  status: number | null;
  signal: NodeJS.Signals | null;
  /** Highest resident memory of the process, in bytes, and the steps that it took. */
  memory: number;
  steps: number;
  stderr: string;
}

/** Finished steps of the run by its latest checkpoint. */
function savedStep(into: string): number {
  const latest = join(into, 'checkpoints/latest');
  return existsSync(latest) ? Number(/\d+/.exec(readFileSync(latest, 'utf8'))?.[0] ?? 0) : 0;
}

/** Losses that are no number, at steps of their own in every run, disturbed or not: they cost pictures, not the run. */
const skipped = [7, 19];
const skips = (from: number) =>
  skipped.filter((step) => step >= from).map((step) => `{point: step, action: nan, step: ${step}}`);
const sets = ['train.steps=30', 'train.epochs=null', 'train.onDiverged=skip', 'data.val=null'];

/** The overrides of a run that has finished `from` steps, with more trouble if there is any. */
const overrides = (from: number, ...more: string[]) => [
  ...sets,
  `debug.fault=[${[...skips(from), ...more].join(', ')}]`,
];

/** One process on the run. */
function sit(recipe: string, into: string, random: Random, calm: boolean): Promise<Sitting> {
  const pick = <T>(list: readonly T[]) => list[Math.floor(random.next() * list.length)] as T;
  const began = savedStep(into);
  // A round begins with what ends processes; the last two kinds let it come to its end.
  const trouble = calm ? 'none' : pick(began === 0 ? troubles.slice(0, 3) : troubles);
  const step = began + 1 + Math.floor(random.next() * 12);
  const point = trouble === 'disk-full' ? pick(points.slice(1, 5)) : pick(points);
  const injected = trouble !== 'none' && trouble !== 'outside';
  const times = trouble === 'kill' ? 1 : 2;
  const fault = `{point: ${point}, action: ${trouble}, step: ${step}, seconds: 0.2, times: ${times}}`;
  const args = overrides(began, ...(injected ? [fault] : [])).flatMap((set) => ['--set', set]);
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [
      command,
      '--config',
      recipe,
      '--run',
      into,
      '--resume',
      'auto',
      ...args,
    ]);
    let [stderr, memory] = ['', 0];
    const look = setInterval(() => {
      memory = Math.max(memory, resident(child.pid));
    }, 100);
    const signal = random.next() < 0.5 ? 'SIGKILL' : 'SIGTERM';
    const wait = 300 + random.next() * 6000;
    const timer = trouble === 'outside' ? setTimeout(() => child.kill(signal), wait) : undefined;
    child.stdout.resume();
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.on('close', (status, signal) => {
      clearInterval(look);
      clearTimeout(timer);
      resolve({ trouble, status, signal, memory, steps: savedStep(into) - began, stderr });
    });
  });
}

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

function resident(pid: number | 'self' | undefined): number {
  try {
    return 4096 * Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  } catch {
    return 0; // ended meanwhile
  }
}

/** Slope of y over its index by least squares, as a share of the mean: 0 for a flat curve. */
export function growth(values: number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const middle = (values.length - 1) / 2;
  let [above, below] = [0, 0];
  for (const [i, value] of values.entries()) {
    above += (i - middle) * (value - mean);
    below += (i - middle) ** 2;
  }
  return below === 0 ? 0 : ((above / below) * values.length) / mean;
}

/** One run in this process, from beginning to end; what the process holds afterwards, in bytes. */
async function trainInside(recipe: string, into: string, random: Random): Promise<number> {
  const action = random.next() < 0.5 ? 'disk-full' : 'stall';
  const point = action === 'disk-full' ? 'save.before_rename' : 'step';
  const step = 1 + Math.floor(random.next() * 28);
  const fault = `{point: ${point}, action: ${action}, step: ${step}, seconds: 0.2, times: 2}`;
  const { result } = await train(recipe, into, { set: overrides(0, fault) });
  assert.equal(result?.status, 'done');
  collect(); // what waits to be collected is held by nobody
  return resident('self');
}

/** Rounds of one run each until the time is over; every round must end as the undisturbed run did. */
export async function soak(
  minutes: number,
  seed: number,
  folder: string,
  say: (text: string) => void,
): Promise<void> {
  const recipe = writeRecipe(folder, savingRecipe);
  const calm = join(folder, 'calm');
  assert.equal((await train(recipe, calm, { set: overrides(0) })).result?.status, 'done');
  const random = new Random(seed);
  const sittings: Sitting[] = [];
  const inside: number[] = [];
  const until = performance.now() + minutes * 60_000;
  for (let round = 1; round === 1 || performance.now() < until; ++round) {
    const into = join(folder, `round-${round}`);
    for (let end: Sitting | undefined; end?.status !== 0; ) {
      end = await sit(recipe, into, random, performance.now() > until);
      sittings.push(end);
      const fine =
        end.status === 0 || end.status === 75 || end.signal === 'SIGKILL' || end.signal === 'SIGTERM';
      assert.ok(fine, `seed ${seed}, ${end.trouble}: ${end.status} ${end.signal} ${end.stderr}`);
    }
    assert.ok(
      weightsOf(into).equals(weightsOf(calm)),
      `seed ${seed}: round ${round} ends with other weights`,
    );
    rmSync(into, { recursive: true });
    inside.push(await trainInside(recipe, into, random));
    assert.ok(weightsOf(into).equals(weightsOf(calm)), `seed ${seed}: training beside round ${round}`);
    rmSync(into, { recursive: true });
  }
  const counts = ['none', ...troubles].map(
    (kind) => `${sittings.filter(({ trouble }) => trouble === kind).length} ${kind}`,
  );
  const memory = sittings.map((sitting) => sitting.memory).filter((bytes) => bytes > 0);
  say(
    `seed ${seed}: ${sittings.length} sittings (${counts.join(', ')}), memory ${(100 * growth(memory)).toFixed(1)} %, of one process over ${inside.length} runs ${(100 * growth(inside.slice(2))).toFixed(1)} % (${inside.map((bytes) => (bytes / 1e6).toFixed(0)).join(' ')} MB)`,
  );
  // The first runs fill pools that later ones use again.
  if (inside.length >= 8) {
    const rise = growth(inside.slice(2));
    assert.ok(rise < 0.1, `one process grew by ${(100 * rise).toFixed(0)} % over ${inside.length} runs`);
  }
  if (memory.length >= 20)
    assert.ok(growth(memory) < 0.2, `memory grew by ${(100 * growth(memory)).toFixed(0)} %`);
}
