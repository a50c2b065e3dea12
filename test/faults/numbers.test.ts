/** Clocks that jump and counters beyond 32 bits (fault 43). */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { learningRate } from '../../lib/trainer/schedule.ts';
import { recipeOf } from '../unit/trainer/fixtures.ts';
import { command, temporaryFolder, writeRecipe } from './command.ts';
import { loaderOf } from './folders.ts';
import { metricsOf, train, weightsOf } from './train.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const recipe = writeRecipe(folder);

test('43: a clock that jumps years back and forth changes no weight and no duration', async (context) => {
  const calm = join(folder, 'calm');
  await train(recipe, calm, { set: ['train.epochs=1'] });
  const now = Date.now;
  let calls = 0;
  context.mock.method(Date, 'now', () => now() + (++calls % 2 === 0 ? 1e11 : -1e11));
  const into = join(folder, 'jump');
  const { result, events } = await train(recipe, into, { set: ['train.epochs=1'] });
  assert.equal(result?.status, 'done');
  for (const event of events) {
    if ('seconds' in event)
      assert.ok(event.seconds >= 0 && event.seconds < 600, `${event.type} ${event.seconds}`);
  }
  assert.ok(weightsOf(into).equals(weightsOf(calm)));
  assert.equal(metricsOf(into).filter(({ type }) => type === 'step').length, 3);
});

/** Years forward and back again at every look at the time of day, for all code of a process; other clocks are left alone. */
const jumpingClock = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static long shift(void) { static unsigned calls; return __sync_fetch_and_add(&calls, 1) % 2 ? 100000000L : -100000000L; }
int clock_gettime(clockid_t clock, struct timespec* now) {
  static int (*real)(clockid_t, struct timespec*);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, now);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += shift();
  return result;
}
int gettimeofday(struct timeval* now, void* zone) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}
time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
`;

test('43: a process whose time of day jumps three years back and forth: the weights, steps and durations of the calm one', () => {
  const source = join(folder, 'clock.c');
  const library = join(folder, 'clock.so');
  writeFileSync(source, jumpingClock);
  const made = spawnSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'], {
    encoding: 'utf8',
  });
  assert.equal(made.status, 0, made.stderr);
  const env = { ...process.env, LD_PRELOAD: library };
  const looks = spawnSync(process.execPath, ['-p', 'Math.abs(Date.now() - Date.now()) > 1e11'], { env });
  assert.equal(String(looks.stdout), 'true\n', 'the clock does not jump');
  const into = join(folder, 'shaken');
  const set = ['--set', 'train.epochs=1', '--set', 'checkpoint.seconds=2'];
  const { status, stderr } = spawnSync(
    process.execPath,
    [command, '--json', '--config', recipe, '--run', into, ...set],
    { env, encoding: 'utf8', timeout: 240_000 },
  );
  assert.equal(status, 0, stderr);
  assert.ok(weightsOf(into).equals(weightsOf(join(folder, 'calm'))));
  const lines = metricsOf(into);
  assert.equal(lines.filter(({ type }) => type === 'step').length, 3);
  const durations = lines.flatMap(({ seconds, eta, imagesPerSecond }) => [seconds, eta, imagesPerSecond]);
  for (const value of durations.filter((one) => one !== undefined))
    assert.ok(value >= 0 && value < 1000, JSON.stringify(lines));
  const { state, elapsed } = JSON.parse(readFileSync(join(into, 'status.json'), 'utf8'));
  assert.equal(state, 'done');
  assert.ok(elapsed > 0 && elapsed < 600, `${elapsed} s`);
  // And one that goes on with what it left finds all of it.
  const again = spawnSync(
    process.execPath,
    [command, '--config', recipe, '--run', into, '--resume', 'auto', ...set],
    { env, encoding: 'utf8' },
  );
  assert.equal(again.status, 0, again.stderr);
});

test('43: steps and epochs beyond 2³¹ have finite rates and batches of their own', async () => {
  const { train: options } = recipeOf();
  const timeline = { stepsPerEpoch: 1000, totalSteps: 2 ** 42 };
  for (const step of [2 ** 31, 2 ** 33 + 1, 2 ** 42 - 1]) {
    const rate = learningRate(step, 0.01, options, timeline);
    assert.ok(Number.isFinite(rate) && rate >= 0 && rate <= 0.01, `${rate} at step ${step}`);
  }
  const spec = { format: 'synthetic', split: 'train', count: 8, seed: 1, size: [64, 64] };
  const loader = await loaderOf(spec);
  const positions = async (epoch: number) => {
    loader.begin(epoch, 0);
    const batch = await loader.next();
    return batch?.images.map(({ image }) => image);
  };
  const late = await positions(2 ** 31 + 5);
  assert.equal(late?.length, 4);
  assert.deepEqual(await positions(2 ** 31 + 5), late);
  const orders = new Set<string>();
  for (const epoch of [5, 2 ** 31 + 5, 2 ** 31 + 6, 2 ** 31 + 7]) orders.add(`${await positions(epoch)}`);
  assert.ok(orders.size > 1, 'late epochs are shuffled anew');
  loader.close();
});
