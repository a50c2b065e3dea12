import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { HdError } from '../../../lib/error.ts';
import { debugSchema, type Fault } from '../../../lib/recipe/schema/debug.ts';
import { decodeFaults, Faults } from '../../../lib/trainer/faults.ts';

const parse = (fault: unknown) => debugSchema.parse({ fault }).fault;
const faults = (fault: unknown) => new Faults(parse(fault));

describe('debug.fault', () => {
  test('none by default; one stands for a list of one', () => {
    assert.deepEqual(debugSchema.parse({}).fault, []);
    const one = parse({ point: 'save.begin' }) as Fault;
    assert.deepEqual(one, { point: 'save.begin', action: 'kill', step: null, times: 1, seconds: 1 });
    assert.throws(() => faults({ point: 'save.begin', action: 'error' }).at('save.begin', 0), HdError);
  });
  test('unknown points and actions are refused', () => {
    assert.equal(debugSchema.safeParse({ fault: { point: 'nowhere' } }).success, false);
    assert.equal(debugSchema.safeParse({ fault: { point: 'step', action: 'explode' } }).success, false);
  });
});

describe('when a fault happens', () => {
  const error = { point: 'save.begin', action: 'error' };
  test('only at its point', () => {
    const given = faults(error);
    given.at('save.end', 5);
    given.at('evaluate', 5);
    assert.throws(() => given.at('save.begin', 5), { code: 'HD_FAULT' });
  });
  test('from its step on, as often as it says', () => {
    const given = faults({ ...error, step: 3, times: 2 });
    given.at('save.begin', 2);
    assert.throws(() => given.at('save.begin', 3), { code: 'HD_FAULT' });
    assert.throws(() => given.at('save.begin', 4), { code: 'HD_FAULT' });
    given.at('save.begin', 5);
  });
  test('several at once: each in its turn, none is lost', () => {
    const given = faults([
      { ...error, action: 'disk-full' },
      { ...error, times: 2 },
    ]);
    assert.throws(() => given.at('save.begin', 0), { code: 'HD_DISK_FULL' });
    for (let i = 0; i < 2; ++i) assert.throws(() => given.at('save.begin', 0), { code: 'HD_FAULT' });
    given.at('save.begin', 0);
    const native = faults([
      { point: 'step', action: 'nan' },
      { point: 'step', action: 'memory' },
    ]);
    assert.deepEqual(
      [0, 1, 2].map((step) => native.pretended('step', step)),
      ['nan', 'memory', ''],
    );
  });
  test('without a step: the first time', () => {
    const given = faults(error);
    assert.throws(() => given.at('save.begin', 0), { code: 'HD_FAULT' });
    given.at('save.begin', 0);
  });
});

test('faults of decoding are for the threads that do it', () => {
  const given = parse([
    { point: 'decode', action: 'stall', seconds: 0.5, times: 3 },
    { point: 'step', action: 'nan' },
    { point: 'decode', action: 'error', step: 4 },
  ]);
  assert.deepEqual(decodeFaults(given), [
    { action: 'stall', step: 0, times: 3, seconds: 0.5 },
    { action: 'error', step: 4, times: 1, seconds: 1 },
  ]);
  assert.deepEqual(decodeFaults([]), []);
  assert.deepEqual(decodeFaults(parse({ point: 'decode', action: 'memory' })).length, 1);
});

describe('what happens', () => {
  test('a full disk looks as the real one does', () => {
    const given = faults({ point: 'save.before_rename', action: 'disk-full' });
    assert.throws(() => given.at('save.before_rename', 7), {
      code: 'HD_DISK_FULL',
      where: 'save.before_rename',
    });
  });
  test('a stall blocks for its time', () => {
    const start = performance.now();
    faults({ point: 'evaluate', action: 'stall', seconds: 0.05 }).at('evaluate', 0);
    assert.ok(performance.now() - start >= 45);
  });
  test('nan and memory are left to the native step', () => {
    const given = faults([
      { point: 'step', action: 'nan', step: 2 },
      { point: 'step', action: 'memory', step: 4 },
    ]);
    given.at('step', 2);
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((step) => given.pretended('step', step)),
      ['', 'nan', '', 'memory', ''],
    );
  });
  test('an evaluation can only run out of memory', () => {
    const given = faults([
      { point: 'evaluate', action: 'nan' },
      { point: 'evaluate', action: 'memory', step: 3 },
    ]);
    given.at('evaluate', 3);
    assert.deepEqual(
      [2, 3, 4].map((step) => given.pretended('evaluate', step)),
      ['', 'memory', ''],
    );
    assert.equal(given.pretended('step', 9), '');
  });
  test('kill ends the process by SIGKILL, terminate by SIGTERM', () => {
    const url = new URL('../../../lib/trainer/faults.ts', import.meta.url).href;
    for (const [action, signal] of [
      ['kill', 'SIGKILL'],
      ['terminate', 'SIGTERM'],
    ]) {
      const fault = { point: 'step', action, step: null, times: 1, seconds: 1 };
      const code = `import { Faults } from '${url}'; new Faults(${JSON.stringify(fault)}).at('step', 0); setTimeout(() => {}, 5000)`;
      const end = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
        timeout: 20_000,
      });
      assert.equal(end.signal, signal, end.stderr.toString());
    }
  });
});
