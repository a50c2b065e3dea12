import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { type SourceSample, type StreamSource, type TrainEvent, Trainer } from '../../../lib/index.ts';
import type { RecipeInput } from '../../../lib/recipe/index.ts';
import { Stream, type StreamPlace } from '../../../lib/trainer/stream.ts';

const folder = mkdtempSync(join(tmpdir(), 'hdtrain-stream-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const side = 64;

/** Only `width` tells samples apart here. */
const numbered = (number: number) => ({ width: number }) as SourceSample;

async function* from(number: number, end = Number.POSITIVE_INFINITY) {
  for (; number < end; ++number) yield numbered(number);
}

describe('Stream', () => {
  test('the n-th sample asked for is the n-th given, in whatever order requests come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 0, max: 5 }),
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 40 }),
        async (length, position, delays) => {
          const start = Math.min(position, length - 1);
          const stream = new Stream(
            { length, classes: ['a'], start: (place) => from(place.epoch * length + place.position) },
            { batch: 1, anewEachPass: false },
          );
          stream.begin({ epoch: 2, position: start });
          // Decode threads ask nearly in order: each request may come a little late, but an index never overtakes itself.
          const numbers = delays.map((_, i) => 2 * length + start + i);
          const late = (i: number) => i + (length > 3 ? (delays[i] ?? 0) / 2 : 0);
          const asked = numbers.map((number, i) => ({ number, at: late(i) })).sort((a, b) => a.at - b.at);
          const got = await Promise.all(
            asked.map(async ({ number }) => [number, (await stream.get(number % length)).width]),
          );
          for (const [number, width] of got) assert.equal(width, number);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('no more is pulled than was asked for', async () => {
    let pulled = 0;
    async function* counted() {
      for (;;) yield numbered(pulled++);
    }
    const stream = new Stream(
      { length: 4, classes: ['a'], start: counted },
      { batch: 2, anewEachPass: false },
    );
    stream.begin({ epoch: 0, position: 0 });
    assert.equal(pulled, 0);
    await stream.get(0);
    await stream.get(1);
    assert.equal(pulled, 2);
  });

  test('a pass of validation that was left early is not pulled to its end', async () => {
    let pulled = 0;
    async function* counted() {
      for (let i = 0; i < 1000; ++i, ++pulled) yield numbered(i);
    }
    const stream = new Stream(
      { length: 1000, classes: ['a'], start: counted },
      { batch: 1, anewEachPass: true },
    );
    for (let pass = 0; pass < 3; ++pass) {
      const seen = await Promise.all([0, 1, 2].map((index) => stream.get(index)));
      assert.deepEqual(
        seen.map(({ width }) => width),
        [0, 1, 2],
      );
    }
    assert.ok(pulled <= 12, `${pulled} samples were pulled`);
    // A whole pass after one that was left.
    for (let index = 0; index < 1000; ++index) assert.equal((await stream.get(index)).width, index);
  });

  test('the length is cut to whole batches, and one batch is the least', () => {
    const of = (length: number) =>
      new Stream({ length, classes: ['a'], start: () => from(0) }, { batch: 4, anewEachPass: false });
    assert.equal(of(11).length, 8);
    assert.throws(() => of(3), { code: 'HD_DATA_SOURCE', message: /at least 4/ });
  });

  test('an iterable that ends starts anew; one that is empty is an error', async () => {
    const source = { length: 2, classes: ['a'], [Symbol.asyncIterator]: () => from(0, 2) };
    const stream = new Stream(source, { batch: 1, anewEachPass: false });
    stream.begin({ epoch: 0, position: 0 });
    const widths = [];
    for (const index of [0, 1, 0, 1, 0]) widths.push((await stream.get(index)).width);
    assert.deepEqual(widths, [0, 1, 0, 1, 0]);
    const empty = new Stream(
      { ...source, [Symbol.asyncIterator]: () => from(0, 0) },
      { batch: 1, anewEachPass: false },
    );
    empty.begin({ epoch: 0, position: 0 });
    await assert.rejects(empty.get(0), { code: 'HD_DATA_SOURCE', message: /ended at once/ });
  });

  test('validation sees the same samples in each pass, and abandoned iterables clean up', async () => {
    let cleaned = 0;
    async function* endless() {
      try {
        for (let number = 0; ; ++number) yield numbered(number);
      } finally {
        ++cleaned;
      }
    }
    const stream = new Stream(
      { length: 2, classes: ['a'], start: endless },
      { batch: 1, anewEachPass: true },
    );
    const widths = [];
    for (const index of [0, 1, 0, 1]) widths.push((await stream.get(index)).width);
    assert.deepEqual(widths, [0, 1, 0, 1]);
    stream.close();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(cleaned, 2);
  });

  test('what throws in the iterable reaches every request that waits', async () => {
    async function* failing() {
      yield numbered(0);
      throw new RangeError('no more film');
    }
    const stream = new Stream(
      { length: 4, classes: ['a'], start: failing },
      { batch: 1, anewEachPass: false },
    );
    stream.begin({ epoch: 0, position: 0 });
    const [first, second, third] = await Promise.allSettled([0, 1, 2].map((index) => stream.get(index)));
    assert.equal(first?.status, 'fulfilled');
    for (const end of [second, third]) assert.match(String((end as PromiseRejectedResult).reason), /film/);
  });

  test('something that is no source is refused', () => {
    assert.throws(() => new Stream({ length: 1, classes: ['a'] }, { batch: 1, anewEachPass: false }), {
      code: 'HD_DATA_SOURCE',
    });
  });
});

function square(number: number): SourceSample {
  const [left, top, size] = [(number * 13) % 24, (number * 29) % 24, 24 + (number % 16)];
  const image = new Uint8Array(side * side * 3).fill(30);
  for (let y = top; y < top + size; ++y) image.fill(220, (y * side + left) * 3, (y * side + left + size) * 3);
  return { image, width: side, height: side, boxes: [[left, top, left + size, top + size]], labels: [0] };
}

function recipe(steps: number): RecipeInput {
  return {
    model: { neckChannels: 32, headChannels: 32, headConvs: 1 },
    data: { format: 'source', train: {}, val: {}, size: side },
    train: { steps, batch: 4, lr: 0.01, lrBatch: 0, threads: 1 },
    eval: { every: 1, pictures: 1 },
    log: { every: 1 },
  };
}

/** Ten samples count as an epoch: two batches of four. */
function film(places: StreamPlace[] = []): StreamSource {
  return {
    length: 10,
    classes: ['square'],
    async *start(place) {
      places.push(place);
      for (let number = place.epoch * 8 + place.position; ; ++number) yield square(number);
    },
  };
}

describe('training from a stream', () => {
  test('a run that stops and goes on ends with the weights of one that did not', async () => {
    const whole = await new Trainer(recipe(5), {
      run: join(folder, 'whole'),
      sources: { train: film() },
    }).run();
    const places: StreamPlace[] = [];
    const run = join(folder, 'broken');
    const stop = new AbortController();
    const hooks = [
      { name: 'stop', afterStep: (context: { step: number }) => context.step === 3 && stop.abort() },
    ];
    const first = await new Trainer(recipe(5), {
      run,
      hooks: hooks as never,
      signal: stop.signal,
      sources: { train: film(places) },
    }).run();
    assert.equal(first.status, 'interrupted');
    const second = await new Trainer(recipe(5), {
      run,
      resume: 'auto',
      sources: { train: film(places) },
    }).run();
    assert.equal(second.status, 'done');
    assert.deepEqual(places[0], { epoch: 0, position: 0 });
    assert.deepEqual(places.at(-1), { epoch: 1, position: 4 });
    assert.ok(readFileSync(whole.weights).equals(readFileSync(second.weights)));
  });

  test('a plain async iterable trains and validates; resuming it says that it cannot be exact', async () => {
    const plain = (length: number): StreamSource => ({
      length,
      classes: ['square'],
      async *[Symbol.asyncIterator]() {
        for (let number = 0; number < length; ++number) yield square(number);
      },
    });
    const run = join(folder, 'plain');
    const stop = new AbortController();
    const hooks = [
      { name: 'stop', afterStep: (context: { step: number }) => context.step === 1 && stop.abort() },
    ];
    await new Trainer(recipe(4), {
      run,
      hooks: hooks as never,
      signal: stop.signal,
      sources: { train: plain(8) },
    }).run();
    const events: TrainEvent[] = [];
    const second = new Trainer(recipe(4), {
      run,
      resume: 'auto',
      sources: { train: plain(8), val: plain(3) },
    }).run();
    for await (const event of second) events.push(event);
    const begun = events.find((event) => event.type === 'start');
    assert.match(String(begun?.warnings), /start\(place\)/);
    const evaluations = events.filter((event) => event.type === 'eval');
    assert.equal(evaluations.length, 2);
    for (const { eval: numbers } of evaluations)
      assert.equal((numbers.perClass as { truths: number }[])[0]?.truths, 3);
  });

  test('a bad sample of a stream ends the run and is named', async () => {
    const bad: StreamSource = {
      length: 8,
      classes: ['square'],
      async *start() {
        yield square(0);
        yield { ...square(1), labels: [3] };
      },
    };
    await assert.rejects(
      async () => new Trainer(recipe(2), { run: join(folder, 'bad'), sources: { train: bad } }).run(),
      (error: Error) => /sample 1/.test(error.message) || /labels below 1/.test(error.message),
    );
  });
});
