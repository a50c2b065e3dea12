import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import type { TrainEvent } from '../../../lib/trainer/events.ts';
import { cutMetrics, lastEvaluation, metricsHook } from '../../../lib/trainer/metrics-file.ts';
import { temporaryFolder } from '../../faults/command.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

const fresh = () => join(mkdtempSync(join(root, 'run-')), 'metrics.jsonl');
const lineOf = (step: number, type = 'step') => JSON.stringify({ type, step });

describe('cutMetrics', () => {
  function cut(text: string, step: number): string {
    const path = fresh();
    writeFileSync(path, text);
    cutMetrics(path, step);
    assert.deepEqual(readdirSync(dirname(path)), ['metrics.jsonl']);
    return readFileSync(path, 'utf8');
  }

  test('a run without a file does not get one', () => {
    const path = fresh();
    cutMetrics(path, 5);
    assert.equal(existsSync(path), false);
  });
  test('the step itself and its evaluation stay, what came after goes', () => {
    const lines = [lineOf(1), lineOf(2), lineOf(2, 'eval'), lineOf(3)].map((line) => `${line}\n`);
    assert.equal(cut(lines.join(''), 2), lines.slice(0, 3).join(''));
    assert.equal(cut(lines.join(''), 0), '');
    assert.equal(cut(lines.join(''), 9), lines.join(''));
  });
  test('wherever a kill cut the file, whole lines up to the step are left', () => {
    const steps = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 12 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 30 }), fc.nat(), (given, at, place) => {
        const text = given.map((step) => `${lineOf(step)}\n`).join('');
        const torn = text.slice(0, place % (text.length + 1));
        const complete = given.slice(0, torn.split('\n').length - 1);
        // A line is whole without its line end too: then it counts.
        const rest = torn.slice(torn.lastIndexOf('\n') + 1);
        if (rest !== '' && rest === lineOf(given[complete.length] ?? 0))
          complete.push(given[complete.length] ?? 0);
        const left = cut(torn, at);
        assert.deepEqual(
          left,
          complete
            .filter((step) => step <= at)
            .map((step) => `${lineOf(step)}\n`)
            .join(''),
        );
        assert.equal(cut(left, at), left);
      }),
      { numRuns: 40 },
    );
  });
  test('lines that no run has written go', () => {
    const junk = ['null', '7', '[]', '{}', '{"step":"1"}', '{"step":null}', 'step 1', '\u0000'];
    // In JavaScript, null and '1' are less than 5.
    const left = cut(`${junk.join('\n')}\n${lineOf(1)}\n`, 5);
    assert.equal(left, `${lineOf(1)}\n`);
  });
});

describe('lastEvaluation', () => {
  const evaluation = (step: number, ap: number) => JSON.stringify({ type: 'eval', step, eval: { ap } });
  const of = (lines: string[], step: number | null) => {
    const path = fresh();
    writeFileSync(
      path,
      lines
        .map((line) => `${line}\n`)
        .join('')
        .trimEnd(),
    );
    return lastEvaluation(path, step);
  };

  test('of a step, or the last one; null where there is none', () => {
    const lines = [lineOf(3), evaluation(3, 0.3), lineOf(6), evaluation(6, 0.6), lineOf(7)];
    assert.deepEqual(of(lines, 3), { ap: 0.3 });
    assert.deepEqual(of(lines, null), { ap: 0.6 });
    assert.equal(of(lines, 7), null);
    assert.equal(of([lineOf(1)], null), null);
    assert.equal(lastEvaluation(join(root, 'none.jsonl'), null), null);
  });
  test('a line that a killed process was writing does not count', () => {
    const lines = [evaluation(3, 0.3), evaluation(6, 0.6).slice(0, -4)];
    assert.deepEqual(of(lines, null), { ap: 0.3 });
    assert.equal(of(lines, 6), null);
  });
});

describe('metricsHook', () => {
  const [step, evaluation] = [
    { type: 'step', step: 4, losses: { total: 1 } },
    { type: 'eval', step: 4, eval: { ap: 0.5 } },
  ] as unknown as TrainEvent[];

  test('appends what happened, one line each, and nothing else', () => {
    const path = fresh();
    writeFileSync(path, `${lineOf(3)}\n`);
    const hook = metricsHook(path, assert.fail);
    hook.onEvent?.({ type: 'start', step: 3, warnings: ['a', 'b'] } as TrainEvent);
    for (const type of ['progress', 'fetch', 'checkpoint', 'end']) hook.onEvent?.({ type } as TrainEvent);
    const told = [{ type: 'warning' }, { type: 'bad-samples' }] as TrainEvent[];
    for (const event of [step, evaluation, ...told]) hook.onEvent?.(event as TrainEvent);
    const lines = readFileSync(path, 'utf8').split('\n');
    assert.deepEqual(lines.slice(0, 1), [lineOf(3)]);
    assert.deepEqual(
      lines.slice(1, -1).map((line) => JSON.parse(line)),
      [
        ...['a', 'b'].map((message) => ({ type: 'warning', message, step: 3 })),
        ...[step, evaluation, ...told],
      ],
    );
    assert.equal(lines.at(-1), '');
  });
  test('a line that cannot be written is told once, and later ones are tried again', () => {
    const path = fresh();
    rmSync(dirname(path), { recursive: true });
    const told: string[] = [];
    const hook = metricsHook(path, (message) => {
      told.push(message);
      hook.onEvent?.({ type: 'warning', message }); // as a run does with it
    });
    for (let i = 0; i < 3; ++i) hook.onEvent?.(step as TrainEvent);
    assert.equal(told.length, 1);
    assert.match(told[0] ?? '', /metrics\.jsonl/);
    mkdirSync(dirname(path));
    hook.onEvent?.(evaluation as TrainEvent);
    assert.equal(readFileSync(path, 'utf8'), `${JSON.stringify(evaluation)}\n`);
  });
  test('its name is the one that checkpoints know', () =>
    assert.equal(metricsHook('x', assert.fail).name, 'metrics'));
});
