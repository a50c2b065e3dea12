import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventQueue } from '../../../lib/trainer/event-queue.ts';

interface Event {
  type: string;
  n: number;
}

async function collect(queue: EventQueue<Event>): Promise<number[]> {
  const seen: number[] = [];
  for await (const { n } of queue) seen.push(n);
  return seen;
}

test('events come in order, those from before the iteration too', async () => {
  const queue = new EventQueue<Event>();
  queue.push({ type: 'step', n: 1 });
  const seen = collect(queue);
  await sleep(1);
  queue.push({ type: 'step', n: 2 });
  queue.push({ type: 'step', n: 3 });
  queue.end();
  assert.deepEqual(await seen, [1, 2, 3]);
});

test('of several that iterate at once each event goes to one, and all of them end', async () => {
  const queue = new EventQueue<Event>();
  const readers = [collect(queue), collect(queue), collect(queue)];
  await sleep(1);
  for (const n of [1, 2, 3, 4]) {
    queue.push({ type: 'step', n });
    await sleep(1);
  }
  queue.end();
  const seen = (await Promise.all(readers)).flat();
  assert.deepEqual(seen.sort(), [1, 2, 3, 4]);
});

test('progress is kept only while somebody iterates', async () => {
  const queue = new EventQueue<Event>();
  queue.push({ type: 'progress', n: 1 });
  const seen = collect(queue);
  await sleep(1);
  queue.push({ type: 'progress', n: 2 });
  queue.end();
  assert.deepEqual(await seen, [2]);
});

test('while nobody iterates, before or after a break, the newest are kept', async () => {
  const queue = new EventQueue<Event>(2);
  const push = (...numbers: number[]) => {
    for (const n of numbers) queue.push({ type: 'step', n });
  };
  push(1, 2, 3);
  for await (const { n } of queue) {
    assert.equal(n, 2);
    push(4, 5, 6); // nothing is lost for who reads slowly
    break;
  }
  push(7);
  queue.push({ type: 'progress', n: 0 });
  queue.end();
  assert.deepEqual(await collect(queue), [6, 7]);
});

test('a failure reaches the iterator after the events before it', async () => {
  const queue = new EventQueue<Event>();
  queue.push({ type: 'step', n: 1 });
  queue.fail(new Error('broken'));
  const seen: number[] = [];
  await assert.rejects(async () => {
    for await (const { n } of queue) seen.push(n);
  }, /broken/);
  assert.deepEqual(seen, [1]);
});
