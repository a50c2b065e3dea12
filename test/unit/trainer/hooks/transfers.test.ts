import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StepEvent } from '../../../../lib/trainer/events.ts';
import { transferHook } from '../../../../lib/trainer/hooks/transfers.ts';

const step = (gradient: Record<string, number>): StepEvent =>
  ({
    type: 'step',
    shares: Object.fromEntries(
      Object.entries(gradient).map(([name, share]) => [name, { loss: 0.5, gradient: share }]),
    ),
  }) as unknown as StepEvent;

test('a term without any gradient is told of once, after five reports in a row', () => {
  const said: string[] = [];
  const hook = transferHook((message) => said.push(message));
  for (let n = 0; n < 4; ++n) hook.onEvent?.(step({ cls: 0.9, ld: 1e-5 }));
  assert.deepEqual(said, []);
  hook.onEvent?.(step({ cls: 0.9, ld: 1e-5 }));
  assert.equal(said.length, 1);
  assert.match(said[0] ?? '', /'ld' has had less than 0.1 % of the gradient in 5 reports: raise its weight/);
  for (let n = 0; n < 20; ++n) hook.onEvent?.(step({ cls: 0.9, ld: 1e-5 }));
  assert.equal(said.length, 1);
});

test('a full cache is told of once for each teacher', () => {
  const said: string[] = [];
  const hook = transferHook((message) => said.push(message));
  const report = (...full: boolean[]) =>
    hook.onEvent?.({
      type: 'step',
      agreement: full.map((it) => ({ cache: { full: it } })),
    } as unknown as StepEvent);
  report(false, false);
  assert.deepEqual(said, []);
  report(false, true);
  report(false, true);
  assert.equal(said.length, 1);
  assert.match(said[0] ?? '', /cache of teacher 1 is full.*teachers\.cache\.limit/);
  report(true, true);
  assert.equal(said.length, 2);
});

test('one report above the bound starts the count again; other events and plain runs say nothing', () => {
  const said: string[] = [];
  const hook = transferHook((message) => said.push(message));
  for (let n = 0; n < 12; ++n) hook.onEvent?.(step({ ld: n % 4 === 3 ? 0.01 : 0 }));
  hook.onEvent?.({ type: 'step' } as StepEvent);
  hook.onEvent?.({ type: 'warning', message: 'x' });
  assert.deepEqual(said, []);
});
