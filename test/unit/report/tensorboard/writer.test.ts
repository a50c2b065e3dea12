import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeEvent, stepOf } from '../../../../lib/report/tensorboard/event.ts';
import { crc32c, frame, maskedCrc, records } from '../../../../lib/report/tensorboard/record.ts';
import { cutEvents, EventWriter } from '../../../../lib/report/tensorboard/writer.ts';
import { temporaryFolder } from '../../../faults/command.ts';
import { eventFiles, readEvents, slowCrc32c } from './reader.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));
const fresh = () => mkdtempSync(join(root, 'run-'));

describe('checksums', () => {
  test('published values of CRC-32C', () => {
    // RFC 3720, B.4, and the check value of the catalogues.
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
    assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
    assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
    assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i))), 0x46dd794e);
  });
  test('the same as long division', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (data) => crc32c(data) === slowCrc32c(data)));
  });
  test('masked values are 32 bits without sign', () => {
    fc.assert(fc.property(fc.uint8Array(), (data) => maskedCrc(data) >= 0 && maskedCrc(data) < 2 ** 32));
  });
});

describe('records', () => {
  test('come back until the first that is damaged, wherever that is', () => {
    const lists = fc.array(fc.uint8Array({ maxLength: 20 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(lists, fc.nat(), (given, place) => {
        const frames = given.map(frame);
        const file = Buffer.concat(frames);
        assert.deepEqual(
          [...records(file)].map(({ data }) => [...data]),
          given.map((data) => [...data]),
        );
        const at = place % file.length;
        file[at] = (file[at] as number) ^ 0x10;
        let [whole, end] = [0, 0];
        while (end + (frames[whole]?.length ?? Infinity) <= at) end += frames[whole++]?.length ?? 0;
        assert.equal([...records(file)].length, whole);
        assert.equal([...records(file.subarray(0, at))].length, whole);
      }),
    );
  });
});

describe('events', () => {
  test('an independent reader finds what was written', () => {
    const events = fc.record({
      time: fc.double({ min: 0, max: 4e9, noNaN: true }),
      step: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      scalars: fc.dictionary(fc.string({ minLength: 1, unit: 'grapheme' }), fc.float({ noNaN: true })),
    });
    fc.assert(
      fc.property(fc.array(events, { minLength: 1, maxLength: 4 }), (given) => {
        const folder = fresh();
        const writer = new EventWriter(folder);
        for (const event of given) writer.write(event);
        writer.close();
        const [version, ...read] = readEvents(eventFiles(folder)[0] as string);
        assert.equal(version?.version, 'brain.Event:2');
        assert.deepEqual(
          read.map(({ time, step, scalars }) => ({ time, step, scalars: { ...scalars } })),
          given.map((event) => ({ ...event, scalars: { ...event.scalars } })),
        );
      }),
      { numRuns: 30 },
    );
  });
  test('pictures, with their sizes', () => {
    const folder = fresh();
    const data = Buffer.from('not really a picture');
    const writer = new EventWriter(folder);
    writer.write({ time: 1, step: 300, pictures: { 'pictures/a': { width: 640, height: 480, data } } });
    assert.deepEqual(
      { ...readEvents(eventFiles(folder)[0] as string)[1]?.pictures },
      {
        'pictures/a': { width: 640, height: 480, data },
      },
    );
    writer.close();
  });
  test('the step is found behind whatever comes first', () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        (step) => stepOf(encodeEvent({ time: 3, step, scalars: { a: 1 } })) === step,
      ),
    );
    assert.equal(
      stepOf(Buffer.concat([Buffer.from([0x3d, 1, 2, 3, 4, 0x32, 1, 9]), Buffer.from([0x10, 7])])),
      7,
    );
    assert.equal(stepOf(Buffer.alloc(0)), 0);
  });
});

describe('files', () => {
  const stepsIn = (folder: string) =>
    eventFiles(folder).flatMap((file) =>
      readEvents(file)
        .slice(1)
        .map(({ step }) => step),
    );
  function write(folder: string, ...steps: number[]): void {
    const writer = new EventWriter(folder);
    for (const step of steps) writer.write({ time: 1_700_000_000, step, scalars: { loss: step } });
    writer.close();
  }

  test('are named as TensorBoard looks for them, and none is written over', () => {
    const folder = fresh();
    write(folder, 1);
    write(folder, 2);
    assert.equal(eventFiles(folder).length, 2);
    for (const file of eventFiles(folder)) assert.match(file, /\/events\.out\.tfevents\.1700000000\./);
    assert.deepEqual(stepsIn(folder), [1, 2]);
  });
  test('none without an event', () => {
    const folder = fresh();
    write(folder);
    assert.deepEqual(eventFiles(folder), []);
  });
  test('a cut leaves every step once, whole, in all files', () => {
    const folder = fresh();
    write(folder, 1, 2, 3);
    write(folder, 3, 4, 5);
    cutEvents(folder, 3);
    assert.deepEqual(stepsIn(folder), [1, 2, 3, 3]);
    cutEvents(folder, 2);
    assert.deepEqual(stepsIn(folder), [1, 2]);
    assert.equal(eventFiles(folder).length, 1);
    cutEvents(folder, 0);
    assert.deepEqual(eventFiles(folder), []);
  });
  test('half a record at the end goes', () => {
    const folder = fresh();
    write(folder, 1, 2);
    const [file = ''] = eventFiles(folder);
    truncateSync(file, statSync(file).size - 3);
    assert.throws(() => readEvents(file));
    cutEvents(folder, 99);
    assert.deepEqual(stepsIn(folder), [1]);
  });
  test('what is cut already stays untouched; other files too', () => {
    const folder = fresh();
    write(folder, 1, 2);
    writeFileSync(join(folder, 'metrics.jsonl'), 'x');
    const before = readFileSync(eventFiles(folder)[0] as string);
    cutEvents(folder, 2);
    assert.ok(readFileSync(eventFiles(folder)[0] as string).equals(before));
    assert.equal(readFileSync(join(folder, 'metrics.jsonl'), 'utf8'), 'x');
    appendFileSync(join(folder, 'events.out.tfevents.none'), 'junk');
    cutEvents(folder, 2);
    assert.equal(eventFiles(folder).length, 1);
  });
  test('after a failure the next event begins a new file', () => {
    const folder = join(fresh(), 'late');
    const writer = new EventWriter(folder);
    assert.throws(() => writer.write({ time: 1, step: 1, scalars: { a: 1 } }), /ENOENT/);
    mkdirSync(folder);
    writer.write({ time: 1, step: 2, scalars: { a: 1 } });
    writer.close();
    assert.deepEqual(stepsIn(folder), [2]);
  });
});
