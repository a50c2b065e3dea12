import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  HdError,
  type IndexedSource,
  type SlotSource,
  type SlotView,
  type Source,
  type SourceSample,
  type TrainEvent,
  Trainer,
} from '../../../lib/index.ts';
import { native } from '../../../lib/native.ts';
import type { RecipeInput } from '../../../lib/recipe/index.ts';
import { checkpointName } from '../../../lib/trainer/run-folder.ts';
import { openSource } from '../../../lib/trainer/source.ts';

const folder = mkdtempSync(join(tmpdir(), 'hdtrain-trainer-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const side = 64;

function square(index: number): SourceSample {
  const [left, top, size] = [(index * 13) % 24, (index * 29) % 24, 24 + (index % 16)];
  const image = new Uint8Array(side * side * 3).fill(30);
  for (let y = top; y < top + size; ++y) image.fill(220, (y * side + left) * 3, (y * side + left + size) * 3);
  return { image, width: side, height: side, boxes: [[left, top, left + size, top + size]], labels: [0] };
}

function recipe(steps: number, more: Partial<RecipeInput['train']> = {}): RecipeInput {
  return {
    model: { neckChannels: 32, headChannels: 32, headConvs: 1 },
    data: { format: 'source', train: {}, val: {}, size: side, augment: [] },
    train: { steps, batch: 4, lr: 0.01, lrBatch: 0, threads: 1, ...more },
    eval: { pictures: 1 },
    log: { every: 1 },
  };
}

function source(length: number, more: Partial<IndexedSource> = {}): IndexedSource {
  return { length, classes: ['square'], get: square, ...more };
}

describe('Trainer', () => {
  test('trains from a source; events come in order; the result says where the weights are', async () => {
    const returned: number[] = [];
    const trainer = new Trainer(recipe(3), {
      run: join(folder, 'source'),
      sources: {
        train: source(8, {
          onReturn: (index, buffer) => returned.push(buffer.byteLength === side * side * 3 ? index : -1),
        }),
        val: source(2),
      },
    });
    const seen: TrainEvent['type'][] = [];
    const run = trainer.run();
    for await (const event of run) if (event.type !== 'progress') seen.push(event.type);
    const result = await run;
    assert.equal(result.status, 'done');
    assert.equal(result.step, 3);
    // The truth of a source comes with its pictures: AP is a number, not "undefined" (-1).
    assert.ok((result.metrics?.ap as number) >= 0);
    assert.equal((result.metrics?.perClass as { truths: number }[] | undefined)?.[0]?.truths, 2);
    assert.equal(seen[0], 'start');
    assert.equal(seen.at(-1), 'end');
    assert.deepEqual(
      seen.filter((type) => type === 'step'),
      ['step', 'step', 'step'],
    );
    assert.ok(returned.length > 0 && !returned.includes(-1));
  });

  test('the event loop stays free during a step', async () => {
    const trainer = new Trainer(recipe(4), { run: join(folder, 'free'), sources: { train: source(8) } });
    let worst = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      worst = Math.max(worst, performance.now() - last);
      last = performance.now();
    }, 5);
    try {
      await trainer.run();
    } finally {
      clearInterval(timer);
    }
    assert.ok(worst < 250, `a 5 ms timer came ${worst.toFixed(0)} ms late`);
  });

  test('an abort finishes the step, saves and can be resumed', async () => {
    const abort = new AbortController();
    const run = join(folder, 'abort');
    const hooks = [
      { name: 'stop', afterStep: ({ step }: { step: number }) => (step === 2 ? abort.abort() : undefined) },
    ];
    const first = await new Trainer(recipe(5), {
      run,
      signal: abort.signal,
      hooks,
      sources: { train: source(8) },
    }).run();
    assert.deepEqual([first.status, first.step], ['interrupted', 2]);
    const changed = { ...recipe(5), log: { every: 2 } };
    const second = await new Trainer(changed, { run, resume: 'auto', sources: { train: source(8) } }).run();
    assert.deepEqual([second.status, second.step], ['done', 5]);
    // The report says what has changed since the run began.
    const { sinceStart } = JSON.parse(readFileSync(join(run, 'status.json'), 'utf8'));
    assert.deepEqual(sinceStart, [{ field: 'log.every', before: '1', after: '2' }]);
  });

  test('a run that goes back to an older checkpoint keeps what it saves from there', async () => {
    const run = join(folder, 'back');
    const options = { run, sources: { train: source(8) } };
    const saving = (keep: number) => ({ ...recipe(6), checkpoint: { seconds: 1e-6, keep } });
    await new Trainer(saving(9), options).run();
    const checkpoints = join(run, 'checkpoints');
    const from = join(checkpoints, checkpointName(2));
    const until = (last: number, resume: string) => {
      const abort = new AbortController();
      const hook = {
        name: 'stop',
        onStart: ({ step }: { step: number }) => (step === last ? abort.abort() : undefined),
        afterStep: ({ step }: { step: number }) => (step === last ? abort.abort() : undefined),
      };
      return new Trainer(saving(1), { ...options, resume, signal: abort.signal, hooks: [hook] }).run();
    };
    // Stopped before anything is saved: the run goes on from where it went back to.
    assert.equal((await until(2, from)).step, 2);
    assert.equal((await until(3, 'auto')).step, 3);
    assert.deepEqual(readdirSync(checkpoints).sort(), ['latest', checkpointName(3)]);
    assert.deepEqual((await new Trainer(saving(1), { ...options, resume: 'auto' }).run()).step, 6);
  });

  test('a hook that throws ends the run with its own error; onEnd still runs', async () => {
    let ended = '';
    const hooks = [
      {
        name: 'thrower',
        afterStep: () => {
          throw new TypeError('from the hook');
        },
      },
      {
        name: 'last',
        onEnd: ({ status }: { status: string }) => {
          ended = status;
        },
      },
    ];
    await assert.rejects(
      async () =>
        new Trainer(recipe(3), { run: join(folder, 'hook'), hooks, sources: { train: source(8) } }).run(),
      (error: Error) => error instanceof TypeError && /trainer\.test/.test(error.stack ?? ''),
    );
    assert.equal(ended, 'failed');
  });

  test('a start that is refused leaves its folder as if it had not been: the corrected one needs no --resume', async () => {
    const run = join(folder, 'refused', 'a');
    const sources = { train: source(8) };
    const wrong = recipe(1, { freeze: ['no.such.*'] });
    await assert.rejects(async () => await new Trainer(wrong, { run, sources }).run(), {
      code: 'HD_RECIPE_VALUE',
    });
    assert.equal(existsSync(join(folder, 'refused')), false);
    assert.equal((await new Trainer(recipe(1), { run, sources }).run()).status, 'done');
    // A finished run that is started wrongly keeps what it has.
    const before = readdirSync(run).sort();
    await assert.rejects(async () => await new Trainer(wrong, { run, sources, resume: 'auto' }).run());
    assert.deepEqual(readdirSync(run).sort(), before);
  });
  test('a hook that throws at the end does not keep the others from ending; the first error is told', async () => {
    const ended: string[] = [];
    const end = (name: string, fails: boolean) => ({
      name,
      onEnd({ status }: { status: string }) {
        ended.push(`${name} ${status}`);
        if (fails) throw new TypeError(`from ${name}`);
      },
    });
    const run = join(folder, 'ends');
    const hooks = [end('a', true), end('b', true), end('c', false)];
    const sources = { train: source(8) };
    await assert.rejects(async () => new Trainer(recipe(1), { run, hooks, sources }).run(), /from a/);
    assert.deepEqual(ended, ['a done', 'b failed', 'c failed']);
    const { state, note } = JSON.parse(readFileSync(join(run, 'status.json'), 'utf8'));
    assert.deepEqual([state, note], ['failed', 'from a']);
    // Nothing is lost: the run was saved before.
    assert.equal((await new Trainer(recipe(1), { run, resume: 'auto', sources }).run()).status, 'done');
  });

  test('a used folder is refused', async () => {
    await assert.rejects(
      async () =>
        new Trainer(recipe(3), { run: join(folder, 'source'), sources: { train: source(8) } }).run(),
      { code: 'HD_RUN_NOT_EMPTY' },
    );
  });

  test('pictures that fail are told by name however long a step takes, and when they end the run', async (context) => {
    context.mock.timers.enable({ apis: ['setInterval'] });
    const failing = source(8, {
      async get(index) {
        if (index < 2) throw new Error('torn');
        await sleep(20);
        context.mock.timers.tick(30_000); // longer than the patience of the run
        return square(index);
      },
    });
    for (const [maxBad, end] of [
      [0.5, 'done'],
      [0.1, 'HD_DATA_TOO_MANY_BAD'],
    ] as const) {
      const input = recipe(2, { batch: 8 });
      const run = new Trainer(
        { ...input, data: { ...input.data, maxBad, workers: 1 } as RecipeInput['data'] },
        { run: join(folder, `torn-${end}`), sources: { train: failing } },
      ).run();
      const told: number[] = [];
      const tell = async () => {
        for await (const event of run)
          if (event.type === 'bad-samples') told.push(...event.samples.map(({ image }) => image));
        return (await run).status;
      };
      assert.equal(await tell().catch(({ code }) => code), end);
      if (end === 'done') assert.deepEqual(told.sort(), [0, 1]);
      assert.notDeepEqual(told, []);
    }
  });

  test('pictures that do not come are told by what is being read, in a step and in an evaluation', async (context) => {
    context.mock.timers.enable({ apis: ['setInterval'] });
    const slow = (length: number) => {
      let asked = 0;
      return source(length, {
        async get(index) {
          if (asked++ === 1) {
            await sleep(5200); // less is not worth a word
            context.mock.timers.tick(10_000);
          }
          return square(index);
        },
      });
    };
    const sources = { train: slow(8), val: slow(2) };
    const run = new Trainer(recipe(1), { run: join(folder, 'slow'), sources }).run();
    const told: string[] = [];
    for await (const event of run) if (event.type === 'warning') told.push(event.message);
    assert.equal(told.length, 2, told.join('\n'));
    for (const message of told) assert.match(message, /^no batch for 5 s: the pictures do not come/);
  });

  test('the error of a step that diverged does not name probe, which has no pictures of a program', async () => {
    const input = { ...recipe(1), debug: { fault: { point: 'step', action: 'nan' } } } as RecipeInput;
    const run = join(folder, 'nan');
    await assert.rejects(
      async () => new Trainer(input, { run, sources: { train: source(8) } }).run(),
      (error: HdError) =>
        error.code === 'HD_DIVERGED' &&
        !error.message.includes('probe') &&
        error.message.includes(join(run, 'diverged')) &&
        /images \d/.test(error.where),
    );
    assert.ok(existsSync(join(run, 'diverged', 'weights.safetensors')));
  });

  test('pictures without any object train without NaN', async () => {
    const empty = source(8, { get: (index) => ({ ...square(index), boxes: [], labels: [] }) });
    const losses: number[] = [];
    const run = new Trainer(recipe(2), { run: join(folder, 'empty'), sources: { train: empty } }).run();
    for await (const event of run) if (event.type === 'step') losses.push(event.losses.total ?? Number.NaN);
    assert.ok(losses.length === 2 && losses.every(Number.isFinite), String(losses));
  });

  test('the same seed gives the same weights, another seed others', async () => {
    const digests = [];
    for (const seed of [1, 1, 2]) {
      const values: number[] = [];
      const run = new Trainer(recipe(2, { seed }), {
        run: join(folder, `seed-${digests.length}`),
        sources: { train: source(8) },
      }).run();
      for await (const event of run) if (event.type === 'step') values.push(event.losses.total ?? 0);
      digests.push(values.join());
    }
    assert.equal(digests[0], digests[1]);
    assert.notEqual(digests[0], digests[2]);
  });
});

describe('sources', () => {
  const loaderOf = (given: Source, more: Record<string, unknown> = {}) =>
    new (native().Loader)(openSource(given).dataset, {
      batch: 2,
      threads: 1,
      slots: 2,
      shuffle: false,
      augment: [{ resize: { sizes: [[side, side]] } }],
      canvas: { divisor: 32 },
      onBadSample: 'stop',
      ...more,
    });

  test('slots are seen without a copy, and views are detached when the slot goes back', async () => {
    const loader = loaderOf(source(4));
    loader.begin(0, 0);
    const first = await loader.next();
    assert.ok(first);
    const pixels = new Uint8Array(first.pixels);
    assert.equal(pixels.length, 2 * side * side * 3);
    const image = first.images[0];
    assert.ok(image);
    const [x1 = 0, y1 = 0] = image.boxes;
    assert.equal(pixels[(Math.round(y1) + 4) * side * 3 + (Math.round(x1) + 4) * 3], 220);
    assert.equal(loader.statistics().copiedBytes, 0);
    loader.release();
    assert.equal(first.pixels.byteLength, 0);
    loader.close();
    assert.throws(
      () => loader.stepsPerEpoch,
      (error) => error instanceof HdError && error.code === 'HD_USAGE',
    );
  });

  describe('that fill slots', () => {
    const sizes = Array.from({ length: 4 }, (): [number, number] => [side, side]);
    const views: SlotView[] = [];
    const filler = (more: Partial<SlotSource> = {}): SlotSource => ({
      length: 4,
      classes: ['square'],
      sizes,
      fill(index, slot) {
        views.push(slot);
        const { image, boxes, labels } = square(index);
        for (let y = 0; y < side; ++y)
          slot.pixels.set(image.subarray(y * side * 3, (y + 1) * side * 3), y * slot.pitch);
        return { boxes, labels };
      },
      ...more,
    });

    test('the program writes into the slot itself: what it wrote is there, nothing was copied', async () => {
      const loader = loaderOf(filler(), { augment: [] });
      loader.begin(0, 0);
      for (const first of [0, 2]) {
        const batch = await loader.next();
        assert.ok(batch);
        const pixels = new Uint8Array(batch.pixels);
        const bytes = side * side * 3;
        for (const i of [0, 1])
          assert.deepEqual(pixels.subarray(i * bytes, (i + 1) * bytes), square(first + i).image);
        assert.equal(batch.images[1]?.labels.length, 1);
      }
      assert.equal(loader.statistics().copiedBytes, 0);
      loader.close();
    });

    test('views are detached when fill is over, whatever the program keeps', () => {
      assert.ok(views.length >= 4);
      for (const { pixels } of views) assert.equal(pixels.length, 0);
    });

    test('a picture that is resized goes through memory of its own, with the same result as get()', async () => {
      const augment = [{ resize: { sizes: [[32, 32]] } }];
      const batches = [];
      for (const given of [filler(), source(4)]) {
        const loader = loaderOf(given, { augment });
        loader.begin(0, 0);
        batches.push(Uint8Array.from(new Uint8Array((await loader.next())?.pixels ?? new ArrayBuffer(0))));
        loader.close();
      }
      assert.deepEqual(batches[0], batches[1]);
    });

    test('it trains to the same weights as get()', async () => {
      const ends = [];
      for (const [name, given] of [
        ['filled', filler()],
        ['got', source(4)],
      ] as const) {
        const run = new Trainer(recipe(2), { run: join(folder, name), sources: { train: given } }).run();
        ends.push(readFileSync((await run).weights));
      }
      assert.ok(ends[0] && ends[1]?.equals(ends[0]));
    });

    const refused: [string, Partial<SlotSource>, RegExp][] = [
      ['no sizes', { sizes: undefined as never }, /sizes/],
      ['fewer sizes than pictures', { sizes: sizes.slice(1) }, /4 sizes/],
      ['nothing returned', { fill: () => undefined as never }, /boxes and labels/],
      [
        'a label out of range',
        { fill: () => ({ boxes: [[0, 0, 1, 1]], labels: [1] }) },
        /labels from 0 to 0 .* received 1: name its class/,
      ],
      ['an exception', { fill: () => Promise.reject(new RangeError('no film')) }, /no film/],
    ];
    for (const [what, change, pattern] of refused) {
      test(`${what}: is refused`, async () => {
        await assert.rejects(async () => {
          const loader = loaderOf(filler(change), { augment: [] });
          loader.begin(0, 0);
          await loader.next().finally(() => loader.close());
        }, pattern);
      });
    }
  });

  test('collecting the view of a closed loader does not block the thread that its source needs', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let round = 0; round < 10; ++round) {
      // A decode thread always waits for JavaScript when the loader is closed.
      const slow = async (index: number) => {
        await sleep(30);
        return square(index);
      };
      const loader = loaderOf(source(8, { get: slow }), { threads: 2, slots: 3 });
      loader.begin(0, 0);
      await loader.next();
      loader.close();
      collect();
      await sleep(5);
    }
  });

  for (const ending of ['', 'process.exit(0)', 'loader.close()']) {
    test(`a source that never answers does not hold up the end of the process (${ending || 'by itself'})`, () => {
      const library = (path: string) => JSON.stringify(new URL(`../../../lib/${path}`, import.meta.url).href);
      const script = `
        import { native } from ${library('native.ts')};
        import { openSource } from ${library('trainer/source.ts')};
        const { dataset } = openSource({ length: 4, classes: ['a'], get: () => new Promise(() => {}) });
        const augment = [{ resize: { sizes: [[64, 64]] } }];
        const loader = new (native().Loader)(dataset, { batch: 2, threads: 2, augment, canvas: { divisor: 32 } });
        loader.begin(0, 0);
        await new Promise((resolve) => setTimeout(resolve, 100));
        ${ending}`;
      const end = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
        encoding: 'utf8',
        timeout: 20_000,
        cwd: fileURLToPath(new URL('../../..', import.meta.url)),
      });
      assert.deepEqual([end.status, end.signal], [0, null], end.stderr);
    });
  }

  test('an ordinary buffer is moved and comes back; a shared one stays usable', async () => {
    const given = square(0);
    const shared = new Uint8Array(new SharedArrayBuffer(side * side * 3));
    shared.set(given.image);
    const loader = loaderOf(
      source(2, { get: (index) => (index === 0 ? given : { ...square(1), image: shared }) }),
    );
    loader.begin(0, 0);
    assert.ok(await loader.next());
    assert.equal(given.image.byteLength, 0, 'the moved buffer is empty for the caller');
    assert.equal(shared.byteLength, side * side * 3);
    loader.close();
  });

  const detached = new Uint8Array(side * side * 3);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const padded = new Uint8Array(side * (side * 3 + 64));
  const growable = new SharedArrayBuffer(side * side * 3, { maxByteLength: side * side * 4 });
  const bad: [string, Partial<SourceSample>, RegExp][] = [
    [
      'a wrong length',
      { width: side + 1 },
      /12480 bytes of RGB .* received 12288 bytes: give three bytes a pixel/,
    ],
    ['rows with a stride', { image: padded }, /received 16384 bytes: .* rows .* without padding/],
    ['a detached buffer', { image: detached }, /received 0 bytes: .* was moved before/],
    ['no image', { image: undefined as never }, /Uint8Array .* received undefined: hand over RGB bytes/],
    ['no size', { width: 1.5 }, /received 1.5 × 64: tell the size/],
    ['a pooled buffer', { image: new Uint8Array(new ArrayBuffer(side * side * 3 + 8), 8) }, /copy: true/],
    ['a growable shared buffer', { image: new Uint8Array(growable) }, /a growable one: .*copy: true/],
    [
      'a resizable buffer',
      { image: new Uint8Array(new ArrayBuffer(side * side * 3, { maxByteLength: side * side * 4 })) },
      /resizable one: .*copy: true/,
    ],
    ['NaN boxes', { boxes: [[0, 0, Number.NaN, 5]] }, /finite .* infinity: leave that object out/],
    ['a label out of range', { labels: [7] }, /labels from 0 to 0 .* received 7: name its class/],
    [
      'a label that is a name',
      { labels: ['square' as never] },
      /integers as labels .* received "square": .*position/,
    ],
    ['a label between two', { labels: [0.5] }, /integers as labels .* received 0\.5: /],
    ['no labels', { labels: undefined as never }, /labels as a list .* undefined: give the number/],
    ['no boxes', { boxes: undefined as never }, /boxes as a list of \[x1, y1, x2, y2\] .* an empty list/],
    ['too few labels', { labels: [] }, /four box numbers .*: give each object one entry/],
  ];
  for (const [name, change, pattern] of bad) {
    test(`${name} is refused with the sample and the cure`, async () => {
      const loader = loaderOf(source(2, { get: (index) => ({ ...square(index), ...change }) }));
      loader.begin(0, 0);
      await assert.rejects(
        loader.next(),
        (error: Error) =>
          error instanceof HdError &&
          error.code === 'HD_DATA_SOURCE' &&
          error.where === 'sample 0' &&
          error.message.includes(' for sample 0 but received ') &&
          pattern.test(error.message),
      );
      loader.close();
    });
  }

  test('an error of get() reaches the caller', async () => {
    const loader = loaderOf(
      source(2, {
        get: () => {
          throw new RangeError('no such picture');
        },
      }),
    );
    loader.begin(0, 0);
    await assert.rejects(loader.next(), /no such picture/);
    loader.close();
  });
});
