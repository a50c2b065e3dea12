import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { consoleReporter, evaluationTable } from '../../../lib/report/console.ts';
import type { EvaluationEvent, StartEvent, StepEvent, TrainEvent } from '../../../lib/trainer/events.ts';

const start: StartEvent = {
  type: 'start',
  run: '/runs/cells-1',
  recipe: 'cells',
  classes: ['RBC', 'WBC', 'Platelets'],
  trainImages: 1234,
  valImages: 56,
  teachers: [],
  parameters: 11290893,
  trainableParameters: 1000,
  precision: 'fp32',
  threads: 2,
  stepsPerEpoch: 100,
  totalSteps: 1200,
  step: 0,
  canvases: [
    [224, 320],
    [320, 224],
  ],
  findings: {},
  firstFindings: [],
  warnings: [],
  seconds: 1,
};
const step: StepEvent = {
  type: 'step',
  step: 250,
  epoch: 2,
  lr: 0.00123456,
  losses: { total: 1.5, box: 0.25, cls: 1 },
  gradientNorm: 1,
  positives: 9,
  imagesPerSecond: 12.34,
  dataWait: 0.031,
  overhead: 0.01,
  memory: { rss: 2 ** 30 },
  eta: 185,
};
const evaluation: EvaluationEvent = {
  type: 'eval',
  step: 300,
  epoch: 2,
  eval: { ap: 0.5, ap50: 0.75, ap75: -1 },
  seconds: 9.44,
  best: true,
};
const progress: TrainEvent = { type: 'progress', what: 'evaluating', done: 3, total: 9 };
const fetching: TrainEvent = { type: 'fetch', ready: 1, shards: 3, bytes: 3 * 2 ** 20 };
const end: TrainEvent = {
  type: 'end',
  status: 'done',
  step: 1200,
  seconds: 61,
  weights: '/runs/cells-1/student.safetensors',
  pictures: [],
};

function shown(
  events: TrainEvent[],
  options: { json?: boolean; isTTY?: boolean; columns?: number } = {},
): string {
  let text = '';
  const { json = false, ...terminal } = options;
  const report = consoleReporter({ json, out: { write: (more) => (text += more), ...terminal } });
  for (const event of events) report(event);
  return text;
}

describe('shards that are fetched', () => {
  const last: TrainEvent = { ...fetching, ready: 3 };
  test('are a line when all are there', () => {
    assert.equal(shown([fetching, last]), 'fetching shards: 3 of 3, 3 MB\n');
  });
  test('are a live line on a terminal', () => {
    const text = shown([fetching, { ...fetching, waiting: true }, last], { isTTY: true });
    assert.equal(
      stripVTControlCharacters(text),
      '\rfetching shards: 1 of 3, 3 MB\rfetching shards: 1 of 3, 3 MB, waiting for another process\rfetching shards: 3 of 3, 3 MB',
    );
  });
  test('are nothing for machines', () => {
    assert.equal(shown([fetching, last], { json: true }), '');
  });
});

describe('plain lines', () => {
  test('the start says what is trained, on what, and where it goes', () => {
    assert.deepEqual(shown([start]).split('\n'), [
      'cells: 1,234 pictures to learn from, 56 to measure on, 3 classes (RBC, WBC, Platelets)',
      '11,290,893 parameters, 1,000 learning; fp32, 2 threads; canvases 320×224 224×320',
      'from scratch: no model.weights; expect many more epochs than a fine-tuned model needs',
      'starting: 1,200 steps of 100 an epoch, into /runs/cells-1',
      '',
    ]);
  });
  test('many classes are cut, not counted wrong', () => {
    const classes = Array.from({ length: 80 }, (_, i) => `c${i}`);
    assert.match(shown([{ ...start, classes }]), /80 classes \(c0, c1, c2, c3, c4, c5, …\)/);
    assert.match(shown([{ ...start, classes: classes.slice(0, 6) }]), /6 classes \(c0, c1, c2, c3, c4, c5\)/);
  });
  test('weights, findings, warnings and teachers have a line each', () => {
    const teacher = {
      weights: 't.pth',
      backbone: 'resnet101',
      tensors: 600,
      classes: 3,
      mapped: true,
      precision: 'bf16' as const,
      transfers: ['ld', 'kd'],
    };
    const text = shown([
      {
        ...start,
        teachers: [teacher],
        weights: { path: 'w.pth', matched: ['a', 'b'], missing: ['c'], unexpected: [], wrongShape: [] },
        findings: { HD_DATA_BOX: 7 },
        warnings: ['no flip'],
      },
    ]);
    assert.match(text, /^weights w\.pth: 2 tensors matched, 1 missing, 0 not used$/m);
    assert.match(
      text,
      /^teacher t\.pth: resnet101, 3 classes, all 600 tensors matched, bf16; teaches ld, kd$/m,
    );
    assert.match(text, /^data: 7 × HD_DATA_BOX \(details: hdtrain check\)$/m);
    assert.match(text, /^warning: no flip$/m);
    assert.doesNotMatch(text, /from scratch/);
  });
  test('a resumed run goes on, and is not called from scratch', () => {
    const text = shown([{ ...start, step: 400 }]);
    assert.match(text, /^going on from step 400: 1,200 steps/m);
    assert.doesNotMatch(text, /from scratch/);
  });
  test('a step: epochs count from 1, the total first and its terms behind it', () => {
    const [line] = shown([start, step]).split('\n').slice(-2);
    assert.equal(
      line,
      'epoch 3  step 250/1200  loss 1.500 (box 0.250 cls 1.000)  lr 0.00123  12.3 img/s  data-wait 3 %  ETA 3 min 05 s',
    );
  });
  test('under a teacher: each term has its share of the gradient, and the two agree so far', () => {
    const taught = {
      ...step,
      losses: { total: 1.5, box: 0.25, ld: 0.5 },
      shares: { box: { loss: 0.5, gradient: 0.875 }, ld: { loss: 0.5, gradient: 0.125 } },
      agreement: [
        { rows: 9, sameClass: 0.755, sides: [0.1, 0.2, 0.3, 0.4] },
        { rows: 9, sides: [1, 1, 1, 1], cache: { hits: 3, misses: 1, bytes: 10, full: false } },
        { rows: 0 },
      ],
    };
    const [line = ''] = shown([start, taught]).split('\n').slice(-2);
    assert.match(line, /\(box 0\.250 88 % ld 0\.500 13 %\)/);
    assert.match(line, /data-wait 3 % {2}agree 76 % KL 0\.25, KL 1\.00 cached 75 % {2}ETA/);
  });
  test('an evaluation: an undefined number is not a bad one', () => {
    assert.equal(shown([evaluation]), 'epoch 3  AP 0.500  AP50 0.750  AP75 –  best so far  (9.4 s)\n');
    assert.equal(
      shown([{ ...evaluation, eval: { ap: 0 }, best: false }]),
      'epoch 3  AP 0.000  AP50 –  AP75 –  (9.4 s)\n',
    );
  });
  test('progress and checkpoints are not worth a line', () => {
    assert.equal(shown([progress, { type: 'checkpoint', step: 1, path: 'p', seconds: 1 }]), '');
  });
  test('pictures that were skipped are named, with why', () => {
    const samples = [
      { image: 1, file: 'a.jpg', code: 'HD_DATA_PICTURE', message: 'it is cut off' },
      { image: 2, file: 'b.jpg', code: 'HD_DATA_FILE', message: 'it is gone' },
    ];
    assert.deepEqual(
      shown([{ type: 'bad-samples', split: 'train', samples, total: 9 }])
        .trim()
        .split('\n'),
      ['skipped a.jpg: it is cut off [HD_DATA_PICTURE]', 'skipped b.jpg: it is gone [HD_DATA_FILE]'],
    );
  });
  test('the end says where the weights are, or where it was cut', () => {
    assert.equal(shown([end]), 'done in 1 min 01 s: /runs/cells-1/student.safetensors\n');
    assert.equal(shown([{ ...end, status: 'interrupted' }] as TrainEvent[]), 'interrupted after step 1200\n');
    assert.equal(shown([{ type: 'warning', message: 'the disk is full' }]), 'warning: the disk is full\n');
  });
  test('a pipe gets no control characters, whatever happens', () => {
    const text = shown([start, step, progress, evaluation, end]);
    assert.equal(stripVTControlCharacters(text), text);
    assert.doesNotMatch(text, /\r/);
  });
});

describe('a terminal', () => {
  const terminal = { isTTY: true, columns: 200 };
  /** What a terminal shows in the end: a carriage return with an erase begins the line anew. */
  const screen = (text: string) =>
    text.split('\n').map((line) => stripVTControlCharacters(line.split('\r\x1b[K').at(-1) ?? ''));

  test('steps and progress share one live line, which what follows replaces', () => {
    const text = shown([step, { ...step, step: 251 }, progress, evaluation], terminal);
    const lines = screen(text);
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? '', /^epoch 3 {2}AP 0\.500/);
    assert.match(text, /step 251\/.*evaluating 3\/9/s);
  });
  test('what is live is left on the screen until something replaces it', () => {
    assert.deepEqual(screen(shown([progress], terminal)), ['evaluating 3/9']);
  });
  test('a live line never wraps: it would not be erased', () => {
    const widths = fc.integer({ min: 2, max: 200 });
    fc.assert(
      fc.property(widths, (columns) => {
        const [line = ''] = screen(shown([step], { isTTY: true, columns }));
        return line.length < columns;
      }),
    );
  });
  test('lines that stay begin at the left edge, without erasing what was there before', () => {
    assert.doesNotMatch(shown([start], terminal), /\r/);
  });
});

describe('JSON', () => {
  test('one event a line, as it is; progress is for people', () => {
    const events: TrainEvent[] = [start, step, progress, evaluation, end];
    const lines = shown(events, { json: true, isTTY: true }).trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      JSON.parse(JSON.stringify(events.filter(({ type }) => type !== 'progress'))),
    );
  });
  test('line breaks in names do not break lines', () => {
    const text = shown([{ ...start, classes: ['a\nb\r'] }], { json: true });
    assert.equal(text.trimEnd().split(/[\r\n]/).length, 1);
  });
});

test('the table of an evaluation has a row a class, and survives a metric without one', () => {
  const perClass = [{ name: 'cat', truths: 3, ap: 0.5, ap50: 1, ap75: 0.25 }];
  assert.equal(evaluationTable({ ap: 0.5, perClass }).split('\n').length, 2);
  assert.equal(evaluationTable({ ap: 0.5 }), 'class  truths  AP  AP50  AP75');
});
