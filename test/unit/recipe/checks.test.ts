import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { failure, load, problemOf, shortest } from './helpers.ts';

const synthetic = 'format: synthetic, train: {count: 320}, val: {count: 32}';
/** Warnings of a recipe that loads. */
const warnings = (text: string) => load(`${shortest}${text}\n`).warnings;
/** The sentence of one contradiction. */
function conflict(text: string): string {
  const problem = problemOf(`${shortest}${text}\n`);
  assert.equal(problem.code, 'HD_RECIPE_CONFLICT', problem.message);
  assert.equal(problem.line, 2);
  return problem.message;
}

test('the shortest recipe needs no remark', () => {
  assert.deepEqual(load(shortest).warnings, []);
});

describe('the length of the run', () => {
  test('epochs, steps, or twelve epochs', () => {
    const length = (text: string) => {
      const { train } = load(`${shortest}${text}\n`).recipe;
      return [train.epochs, train.steps];
    };
    assert.deepEqual(length(''), [12, null]);
    assert.deepEqual(length('train: {epochs: 3}'), [3, null]);
    assert.deepEqual(length('train: {steps: 7}'), [null, 7]);
    assert.deepEqual(length('train: {epochs: null, steps: 7}'), [null, 7]);
  });

  test('not both', () => {
    assert.match(
      conflict('train: {epochs: 3, steps: 7}'),
      /either 'epochs' or 'steps' for train\.steps but received 7/,
    );
  });
});

test('one average of the weights', () => {
  assert.match(conflict('train: {ema: {}, swa: {}}'), /either 'ema' or 'swa' for train\.swa/);
  assert.deepEqual(warnings('train: {ema: null, swa: {}}'), []);
});

describe('suppression', () => {
  const suppression = (rest: string) => `eval: {suppression: {${rest}}}`;

  test('soft kinds keep what the others would let vote', () => {
    for (const kind of ['soft-linear', 'soft-gaussian'])
      for (const voting of ['score', 'paa'])
        assert.match(
          conflict(suppression(`kind: ${kind}, voting: ${voting}`)),
          new RegExp(`'none' with '${kind}'.* for eval\\.suppression\\.voting .*received '?${voting}`),
        );
    for (const kind of ['greedy', 'cluster', 'cluster-diou'])
      assert.deepEqual(warnings(suppression(`kind: ${kind}, voting: score`)), []);
    assert.deepEqual(warnings(suppression('kind: soft-linear')), []);
  });

  test('fields of other kinds are left over', () => {
    const all = 'beta: 0.6, sigma: 0.4, minScore: 0.01';
    const left = (kind: string) =>
      warnings(suppression(`kind: ${kind}, ${all}`)).map(
        (warning) => /suppression\.(\w+): has no effect with '/.exec(warning)?.[1],
      );
    assert.deepEqual(left('greedy'), ['beta', 'sigma', 'minScore']);
    assert.deepEqual(left('cluster'), ['beta', 'sigma', 'minScore']);
    assert.deepEqual(left('cluster-diou'), ['sigma', 'minScore']);
    assert.deepEqual(left('soft-linear'), ['beta', 'sigma']);
    assert.deepEqual(left('soft-gaussian'), ['beta']);
    assert.deepEqual(warnings(suppression('kind: greedy, beta: 0.8, sigma: 0.5')), [], 'the defaults');
  });
});

describe('drops of the learning rate', () => {
  const steps = (rest: string) => `train: {epochs: 12, schedule: {kind: steps, ${rest}}}`;

  test('lie inside the run, in their unit', () => {
    assert.deepEqual(warnings(steps('at: [8, 11]')), []);
    assert.match(
      conflict(steps('at: [8, 12]')),
      /before the end of the run \(12 in epochs\) .* received \[8,12\]/,
    );
    assert.match(conflict(steps('at: [0.5, 1], unit: run')), /\(1 in run\)/);
    assert.match(
      conflict('train: {steps: 50, schedule: {kind: steps, at: [50], unit: steps}}'),
      /\(50 in steps\)/,
    );
  });

  test('in a unit that the recipe cannot count are taken', () => {
    assert.deepEqual(warnings('train: {steps: 50, schedule: {kind: steps, at: [8]}}'), []);
    assert.deepEqual(warnings(steps('at: [99999], unit: steps')), []);
  });

  test('ascend, and there is one', () => {
    assert.match(conflict(steps('at: [8, 8]')), /ascending/);
    assert.match(conflict(steps('at: []')), /at least one drop/);
    assert.match(conflict('train: {schedule: {kind: steps}}'), /at least one drop .* received \[\]/);
  });

  test('of other kinds are not looked at', () => {
    assert.equal(
      load(`${shortest}train: {schedule: {kind: cosine, at: [99, 3]}}\n`).recipe.train.schedule.at.length,
      2,
    );
  });
});

describe('warm-up', () => {
  test('is shorter than the run', () => {
    assert.match(
      conflict('train: {epochs: 2, warmup: {length: 2, unit: epochs}}'),
      /shorter than the run \(2 in epochs\)/,
    );
    assert.match(conflict('train: {warmup: {length: 1}}'), /\(1 in run\)/);
    assert.match(conflict('train: {steps: 100, warmup: {length: 100, unit: steps}}'), /\(100 in steps\)/);
    assert.deepEqual(warnings('train: {epochs: 2, warmup: {length: 1.5, unit: epochs}}'), []);
  });

  test('in steps is compared with what synthetic data will take, as a remark', () => {
    assert.deepEqual(warnings('train: {epochs: 1, batch: 16, warmup: {length: 20, unit: steps}}'), [
      'train.warmup.length: the warm-up of 20 steps is longer than the run of about 20 (a.yaml:2)',
    ]);
    assert.deepEqual(warnings('train: {epochs: 1, batch: 16, warmup: {length: 19, unit: steps}}'), []);
  });
});

describe('batches', () => {
  test('are cut evenly', () => {
    assert.match(
      conflict('train: {batch: 6, accumulate: 4}'),
      /a divisor of train\.batch \(6\) for train\.accumulate but received 4/,
    );
  });

  test('that batch norm sees in pieces', () => {
    assert.match(
      warnings('train: {batch: 8, accumulate: 2}')[0] ?? '',
      /^train\.accumulate: batch norm sees 4 pictures/,
    );
    assert.match(warnings('train: {batch: 1}')[0] ?? '', /^train\.batch: batch norm learns poorly/);
    assert.deepEqual(warnings('train: {batch: 8, accumulate: 2}\nmodel: {norm: eval, weights: a.pth}'), []);
  });

  test('larger than the data', () => {
    assert.match(
      warnings('train: {batch: 321}')[0] ?? '',
      /larger than the data set of 320 pictures \(a\.yaml:2\)$/,
    );
  });
});

describe('from scratch', () => {
  test('with what cannot learn', () => {
    const found = warnings(
      'model: {norm: frozen, frozenStages: 1, init: backbone}\ntrain: {freeze: ["neck.*"]}',
    );
    assert.deepEqual(
      found.map((text) => text.split(':')[0]),
      ['model.norm', 'model.frozenStages', 'train.freeze', 'model.init'],
    );
    assert.match(found[0] ?? '', /'frozen' keeps batch norm statistics that nothing has measured/);
    assert.match(found[1] ?? '', /random weights .* \(a\.yaml:2\)$/);
    assert.match(found[2] ?? '', /\(a\.yaml:3\)$/);
  });

  test('with weights, the same is fine', () => {
    assert.deepEqual(
      warnings(
        'model: {norm: frozen, frozenStages: 1, init: backbone, weights: a.pth}\ntrain: {freeze: ["neck.*"]}',
      ),
      [],
    );
  });

  test('a remark about the base names the base', () => {
    const { warnings: found } = load({
      'a.yaml': 'extends: b.yaml\n',
      'b.yaml': `${shortest}\n\nmodel: {norm: eval}\n`,
    });
    assert.match(found[0] ?? '', /\(b\.yaml:4\)$/);
  });

  test('a remark about an override names it', () => {
    assert.match(
      load(shortest, { set: ['model.norm=eval'] }).warnings[0] ?? '',
      /\(--set model\.norm=eval\)$/,
    );
  });
});

describe('the optimiser', () => {
  test('Nesterov wants momentum', () => {
    assert.match(conflict('train: {optimizer: {nesterov: true, momentum: 0}}'), /false when momentum is 0/);
    assert.deepEqual(warnings('train: {optimizer: {nesterov: true}}'), []);
  });

  test('fields of another kind are probably left over', () => {
    const found = warnings('train: {lr: 0.001, optimizer: {kind: adamw, momentum: 0.8, nesterov: true}}');
    assert.deepEqual(found, [
      "train.optimizer.momentum: has no effect with 'adamw' (a.yaml:2)",
      "train.optimizer.nesterov: has no effect with 'adamw' (a.yaml:2)",
    ]);
    // A resolved recipe writes every default.
    assert.deepEqual(warnings('train: {optimizer: {kind: sgd, betas: [0.9, 0.999], eps: 1.e-8}}'), []);
    assert.match(warnings('train: {optimizer: {eps: 1e-6}}')[0] ?? '', /eps: has no effect with 'sgd'/);
    assert.match(
      warnings('train: {schedule: {kind: constant, floor: 0.1}}')[0] ?? '',
      /floor: has no effect with 'constant'/,
    );
    assert.deepEqual(warnings('train: {schedule: {kind: poly, floor: 0.1, power: 2}}'), []);
  });

  test('rates of sgd are too hot for adamw', () => {
    assert.match(warnings('train: {optimizer: {kind: adamw}}')[0] ?? '', /^train\.lr: 0\.01 suits sgd/);
    assert.deepEqual(warnings('train: {lr: 5e-4, optimizer: {kind: adamw}}'), []);
  });
});

describe('evaluation', () => {
  test('VOC has no sizes', () => {
    assert.match(
      conflict('eval: {metric: voc, best: apSmall}'),
      /'ap', 'ap50' or 'ap75' for the voc metric for eval\.best/,
    );
    assert.deepEqual(warnings('eval: {metric: voc, best: ap50, interpolation: 11point}'), []);
  });

  test('interpolation is for VOC', () => {
    assert.match(warnings('eval: {interpolation: 11point}')[0] ?? '', /no effect with the 'coco' metric/);
  });

  test('LVIS needs its data, and counts 300 detections', () => {
    assert.match(conflict('eval: {metric: lvis}'), /unless data\.format is lvis for eval\.metric/);
    const data =
      'data: {format: lvis, train: {images: ., annotations: a.json}, val: {images: ., annotations: b.json}}';
    const found = load(`${data}\neval: {metric: lvis, interpolation: 11point}\n`).warnings;
    assert.match(found[0] ?? '', /no effect with the 'lvis' metric/);
    assert.match(found[1] ?? '', /^eval\.maxDetections: LVIS counts up to 300/);
    assert.deepEqual(load(`${data}\neval: {metric: lvis, maxDetections: 300}\n`).warnings, []);
  });

  test('without validation pictures nothing is measured', () => {
    const { warnings: found } = load('data: {format: synthetic, train: {count: 320}}\n');
    assert.match(found[0] ?? '', /^data\.val: there are no validation pictures/);
  });
});

describe('classes', () => {
  const yolo =
    'data: {format: yolo, train: {images: i, labels: l, classes: [a, b]}, val: {images: i, labels: l}}\n';

  test('of the model are as many as those of the data', () => {
    assert.equal(load(`${yolo}model: {classes: 2}\n`).recipe.model.classes, 2);
    assert.deepEqual(load(`${yolo}model: {classes: [x, y]}\n`).recipe.model.classes, ['x', 'y']);
    for (const classes of ['3', '[a]']) {
      const problem = problemOf(`${yolo}model: {classes: ${classes}}\n`);
      assert.match(problem.message, /as many classes as data\.train\.classes has \(2\) for model\.classes/);
    }
  });

  test('of validation are those of training unless given', () => {
    const val = (text: string) => (load(text).recipe.data.val as { classes: unknown }).classes;
    assert.deepEqual(val(yolo), ['a', 'b']);
    assert.deepEqual(val(yolo.replace('val: {', 'val: {classes: [b, a], ')), ['b', 'a']);
  });

  test('what validation takes over, and what it does not', () => {
    const voc =
      'data: {format: voc, train: {images: i, annotations: a, list: t.txt, offset: 0}, val: {images: i, annotations: a}}\n';
    const { data } = load(voc).recipe;
    assert.ok(data.format === 'voc');
    assert.equal(data.val?.offset, 0);
    assert.equal(data.val?.list, null, 'a list belongs to its split');
    assert.equal(data.val?.classes, null);
  });
});

test('several contradictions are told at once', () => {
  const { problems } = failure(
    `data: {${synthetic}}\ntrain: {epochs: 2, batch: 6, accumulate: 4, warmup: {length: 3, unit: epochs}}\neval: {metric: voc, best: apLarge}\n`,
  );
  assert.deepEqual(
    problems.map(({ path, line }) => [path, line]),
    [
      ['train.warmup.length', 2],
      ['train.accumulate', 2],
      ['eval.best', 3],
    ],
  );
});

test('deformable convolutions need bottlenecks', () => {
  const model = (backbone: string) => `model: {backbone: ${backbone}, deformable: {stages: [2, 3, 4]}}`;
  assert.match(conflict(model('resnet18')), /a backbone with bottlenecks .* rather than resnet18/);
  assert.deepEqual(warnings(model('resnet50')), []);
  assert.deepEqual(load(`${shortest}${model('res2net50_26w_4s')}\n`).recipe.model.deformable, {
    stages: [2, 3, 4],
    version: 1,
  });
});

test('a cache of teacher outputs is doubtful where pictures change in every epoch', () => {
  const taught = (augment: string) =>
    `data: {${synthetic}, augment: ${augment}}\nteachers: [{weights: t.safetensors, cache: {}}]\ndistill: [{transfer: localization}]`;
  const said = (augment: string) => load(`${taught(augment)}\n`).warnings.join('\n');
  assert.equal(said('[{flip: {}}]'), '');
  assert.match(
    said('[{flip: {}}, {colour: {hue: 0.02}}]'),
    /same pixels, which 'colour' in data\.augment prevents/,
  );
});
