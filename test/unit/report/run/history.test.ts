import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { History } from '../../../../lib/report/run/history.ts';
import { evalLine, stepLine } from '../run-folder.ts';

function historyOf(...lines: string[]): History {
  const history = new History();
  for (const line of lines) history.addLine(line);
  return history;
}
const values = (history: History, name: string) => history.curves.get(name)?.points(100);

describe('steps', () => {
  test('each loss, rate and memory is a curve', () => {
    const history = historyOf(stepLine(1, 4), stepLine(2, 2, { eta: 7, imagesPerSecond: 3 }));
    assert.deepEqual(values(history, 'loss total'), [
      [1, 4],
      [2, 2],
    ]);
    assert.deepEqual(values(history, 'memory rss')?.[0], [1, 1.5 * 2 ** 30]);
    assert.deepEqual(values(history, 'dataWait')?.[1], [2, 0.25]);
    assert.deepEqual(history.lastStep, { step: 2, epoch: 0, eta: 7, imagesPerSecond: 3 });
    assert.deepEqual(
      [...history.curves.keys()].filter((name) => name.startsWith('loss ')),
      ['loss box', 'loss total'],
    );
  });
  test('steps of before memory was told have no memory', () => {
    const history = historyOf(stepLine(1, 4, { memory: undefined }));
    assert.equal(history.curves.has('memory rss'), false);
  });
});

describe('evaluations', () => {
  test('the last, and the last that was the best when it came', () => {
    const history = historyOf(evalLine(10, 0.3), evalLine(20, 0.5), evalLine(30, 0.4, false));
    assert.equal(history.lastEvaluation?.step, 30);
    assert.equal(history.bestEvaluation?.step, 20);
    assert.deepEqual(values(history, 'eval ap'), [
      [10, 0.3],
      [20, 0.5],
      [30, 0.4],
    ]);
    assert.deepEqual(
      history.lastEvaluation?.perClass.map(({ name, numbers }) => [name, numbers.truths]),
      [
        ['cat', 0],
        ['dog', 10],
      ],
    );
  });
  test('what was not there to measure is no point at −1', () => {
    assert.equal(historyOf(evalLine(10, 0.3)).curves.has('eval apSmall'), false);
  });
});

test('steps that were left out are counted', () => {
  assert.equal(historyOf('{"type":"diverged","step":3}', '{"type":"diverged","step":4}').diverged, 2);
});

test('no line whatever breaks it', () => {
  const any = fc.oneof(
    fc.json(),
    fc.string(),
    fc.constantFrom('{"type":"step"}', '{"type":"eval","step":1}'),
  );
  const event = fc.record({
    type: fc.constantFrom('step', 'eval', 'warning', 'bad-samples'),
    step: fc.nat(),
    losses: fc.jsonValue(),
    eval: fc.jsonValue(),
    message: fc.jsonValue(),
    samples: fc.jsonValue(),
  });
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          any,
          event.map((e) => JSON.stringify(e)),
        ),
      ),
      (lines) => {
        historyOf(...lines);
      },
    ),
  );
  const history = historyOf(
    '{"type":"step","step":1.5}',
    '{"type":"step","step":"1"}x',
    '{"type":"eval","step":2,"eval":{"ap":"0.5","perClass":[null,7]}}',
  );
  assert.equal(history.lastStep, null);
  assert.equal(history.curves.size, 0);
});
