import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NativeLoader } from '../../../lib/native.ts';
import { closeOnAbort, isInterrupt, orAbort } from '../../../lib/trainer/interrupt.ts';

const never = () => new Promise<never>(() => {});

test('an interrupt is what the signal threw, and nothing else that fails after it', () => {
  const abort = new AbortController();
  const { signal } = abort;
  assert.equal(isInterrupt(signal.reason, signal), false);
  abort.abort();
  assert.equal(isInterrupt(signal.reason, signal), true);
  assert.equal(isInterrupt(new Error('the disk is full'), signal), false);
});

describe('closeOnAbort', () => {
  const loaderOf = (closed: string[], name: string) =>
    ({ close: () => closed.push(name) }) as unknown as NativeLoader;

  test('closes after the seconds of grace, also when the signal came before; taken back, never', async () => {
    const closed: string[] = [];
    const abort = new AbortController();
    closeOnAbort(loaderOf(closed, 'early'), abort.signal, 0.01);
    closeOnAbort(loaderOf(closed, 'unwatched'), abort.signal, 0.01)();
    const forget = closeOnAbort(loaderOf(closed, 'in time'), abort.signal, 0.01);
    await sleep(50);
    assert.deepEqual(closed, []);
    abort.abort();
    closeOnAbort(loaderOf(closed, 'late'), abort.signal, 0.01);
    assert.deepEqual(closed, []);
    forget();
    await sleep(50);
    assert.deepEqual(closed, ['early', 'late']);
  });
});

describe('orAbort', () => {
  test('gives what the work gives, and its errors', async () => {
    const { signal } = new AbortController();
    assert.equal(await orAbort(Promise.resolve(7), signal), 7);
    await assert.rejects(orAbort(Promise.reject(new TypeError('of the work')), signal), TypeError);
  });
  test('leaves work that does not end, and does not go on after work that ended in time', async () => {
    const abort = new AbortController();
    const both = [orAbort(never(), abort.signal, 0.01), orAbort(sleep(5), abort.signal, 60)];
    const ends = Promise.allSettled(both);
    abort.abort('enough');
    const told = { status: 'rejected', reason: 'enough' };
    assert.deepEqual(await ends, [told, told]);
  });
});
