import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { dump } from 'js-yaml';
import { RecipeError, resolveRecipe } from '../../../lib/recipe/index.ts';
import { inputSchema } from '../../../lib/recipe/introspect.ts';
import { fromPlain, toPlain } from '../../../lib/recipe/source.ts';
import { withoutNulls } from '../../../lib/recipe/validate.ts';
import { aSource, failure, folderOf, load, problemOf, shortest } from './helpers.ts';

/** The sentence about `text`, which stands below a valid data section. */
const sentence = (text: string) => problemOf(`${shortest}${text}\n`).message;

describe('the sentence', () => {
  const cases: [text: string, code: string, message: string][] = [
    [
      'train: {lr: fast}',
      'TYPE',
      "expected a number above 0 and at most 100 for train.lr but received 'fast' (a.yaml:2)",
    ],
    [
      'train: {lr: 0}',
      'RANGE',
      'expected a number above 0 and at most 100 for train.lr but received 0 (a.yaml:2)',
    ],
    [
      'train: {lr: .inf}',
      'RANGE',
      'expected a number above 0 and at most 100 for train.lr but received Infinity (a.yaml:2)',
    ],
    [
      'train: {lr: "1e-3"}',
      'TYPE',
      "expected a number above 0 and at most 100 for train.lr but received '1e-3' (a.yaml:2); remove the quotes",
    ],
    [
      'train: {batch: 2.5}',
      'RANGE',
      'expected an integer from 1 to 65536 for train.batch but received 2.5 (a.yaml:2)',
    ],
    [
      'train: {batch: 1e9}',
      'RANGE',
      'expected an integer from 1 to 65536 for train.batch but received 1000000000 (a.yaml:2)',
    ],
    [
      'train: {batch: [1]}',
      'TYPE',
      'expected an integer from 1 to 65536 for train.batch but received [1] (a.yaml:2)',
    ],
    ['train: 3', 'TYPE', 'expected a map for train but received 3 (a.yaml:2)'],
    ['train: []', 'TYPE', 'expected a map for train but received [] (a.yaml:2)'],
    [
      'checkpoint: {best: no}',
      'TYPE',
      "expected true or false for checkpoint.best but received 'no' (a.yaml:2); YAML 1.2 has no yes and no: write true or false",
    ],
    ['checkpoint: {best: 1}', 'TYPE', 'expected true or false for checkpoint.best but received 1 (a.yaml:2)'],
    [
      'train: {optimizer: {kind: sdg}}',
      'VALUE',
      "expected 'sgd' or 'adamw' for train.optimizer.kind but received 'sdg' (a.yaml:2); did you mean 'sgd'?",
    ],
    [
      'model: {norm: batch}',
      'VALUE',
      "expected one of 'frozen', 'eval', 'train' for model.norm but received 'batch' (a.yaml:2)",
    ],
    [
      'model: {headChannels: 100}',
      'RANGE',
      'expected an integer from 32 to 2048, a multiple of 32 for model.headChannels but received 100 (a.yaml:2)',
    ],
    ['model: {weights: 3}', 'TYPE', 'expected a path or null for model.weights but received 3 (a.yaml:2)'],
    [
      'model: {mean: [1, 2]}',
      'RANGE',
      'expected a list of 3, each a number for model.mean but received [1,2] (a.yaml:2)',
    ],
    [
      'model: {std: [1, 2, 0]}',
      'RANGE',
      'expected a number above 0 for model.std.2 but received 0 (a.yaml:2)',
    ],
    [
      'model: {classes: aut}',
      'VALUE',
      "expected 'auto' or an integer from 1 to 10000 or a list of 1 to 10000 items, each a text for model.classes but received 'aut' (a.yaml:2); did you mean 'auto'?",
    ],
    ['model: {classes: [a, 2]}', 'TYPE', 'expected a text for model.classes.1 but received 2 (a.yaml:2)'],
    [
      'model: {classes: [a, b, a]}',
      'VALUE',
      'expected a list of different class names for model.classes but received ["a","b","a"] (a.yaml:2)',
    ],
    [
      'train: {groups: [{lr: 2}]}',
      'MISSING',
      "expected a text for train.groups.0.match but received nothing (a.yaml:2); add 'match:' to train.groups.0",
    ],
    [
      'train: {lossWeights: {box: -1}}',
      'RANGE',
      'expected a number of at least 0 for train.lossWeights.box but received -1 (a.yaml:2)',
    ],
    [
      'train: {optimizer: {momentum: 1}}',
      'RANGE',
      'expected a number of at least 0 and below 1 for train.optimizer.momentum but received 1 (a.yaml:2)',
    ],
  ];
  for (const [text, code, message] of cases) {
    test(text, () => {
      const problem = problemOf(`${shortest}${text}\n`);
      assert.equal(problem.message, message);
      assert.equal(problem.code, `HD_RECIPE_${code}`);
      assert.equal(problem.line, 2);
    });
  }
});

describe('unknown keys', () => {
  test('with the nearest key', () => {
    assert.match(
      sentence('train: {epoch: 3}'),
      /unknown key 'epoch' \(a\.yaml:2\); did you mean 'epochs'\?$/,
    );
    assert.match(sentence('modell: {}'), /did you mean 'model'\?$/);
    assert.match(sentence('train: {schedule: {gama: 0.5}}'), /did you mean 'gamma'\?$/);
  });

  test('that stand elsewhere', () => {
    assert.match(sentence('lr: 0.1'), /expected a key of the recipe for lr .* did you mean 'train\.lr'\?$/);
    assert.match(sentence('model: {momentum: 0.5}'), /did you mean 'train\.optimizer\.momentum'\?$/);
  });

  test('that are far from everything list what there is', () => {
    assert.match(sentence('log: {verbosity: 3}'), /; the keys are every, /);
    assert.match(
      sentence('exporters: []'),
      /; the keys are model, teachers, distill, data, train, eval, checkpoint, log, debug$/,
    );
  });

  test('of another format', () => {
    const { message } = problemOf('data: {format: voc, train: {images: a, annotations: b, labels: c}}\n');
    assert.match(
      message,
      /unknown key 'labels' .*; it belongs to another format; the keys are images, annotations, list/,
    );
  });

  test('with hostile names', () => {
    for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const problem = problemOf(`${shortest}train: {${key}: 1}\n`);
      assert.deepEqual([problem.code, problem.path], ['HD_RECIPE_UNKNOWN_KEY', `train.${key}`]);
    }
    const { message } = problemOf(`${shortest}"\\e[31m\\n": 1\n`);
    assert.match(
      message,
      /for \\u001b\[31m\\u000a but received the unknown key '\\u001b\[31m\\n' \(a\.yaml:2\)/,
    );
  });
});

describe('data', () => {
  test('is the only section that must be there', () => {
    for (const text of ['', 'train: {epochs: 3}\n']) {
      const problem = problemOf(text);
      assert.deepEqual([problem.code, problem.path, problem.line], ['HD_RECIPE_MISSING', 'data', 1]);
    }
  });

  test('says its format', () => {
    assert.match(
      problemOf('data:\n  train: {count: 3}\n').message,
      /for data\.format but received nothing \(a\.yaml:1\)/,
    );
    assert.match(
      problemOf('data:\n  format: cocoo\n').message,
      /'cocoo' \(a\.yaml:2\); did you mean 'coco'\?$/,
    );
    assert.match(
      problemOf('data: {format: 3}\n').message,
      /expected one of 'coco', .* 'webdataset', .* but received 3/,
    );
  });

  const required: [string, string[]][] = [
    ['coco', ['images', 'annotations']],
    ['voc', ['images', 'annotations']],
    ['yolo', ['images', 'labels', 'classes']],
    ['webdataset', ['shards']],
    ['synthetic', ['count']],
  ];
  for (const [format, fields] of required) {
    test(`${format} asks for ${fields.join(', ')}`, () => {
      const { problems } = failure(`data:\n  format: ${format}\n  train: {}\n`);
      assert.deepEqual(
        problems.map(({ code, path, line }) => [code, path, line]),
        fields.map((field) => ['HD_RECIPE_MISSING', `data.train.${field}`, 3]),
      );
    });
  }

  test('validation asks for its own fields', () => {
    const text = 'data:\n  format: coco\n  train: {images: a, annotations: b}\n  val: {images: a}\n';
    assert.deepEqual([problemOf(text).path, problemOf(text).line], ['data.val.annotations', 4]);
  });

  test('sizes', () => {
    const size = (value: string) =>
      load(`data: {format: synthetic, train: {count: 32}, size: ${value}}\n`).recipe.data.size;
    assert.equal(size('128'), 128);
    assert.deepEqual(size('[1333, 800]'), [1333, 800]);
    const refused = (value: string) =>
      problemOf(`data: {format: synthetic, train: {count: 32}, size: ${value}}\n`).message;
    assert.match(refused('[800, 1333]'), /expected the longer side first, as \[1333, 800\] for data\.size/);
    const stretched = 'data: {format: synthetic, train: {count: 32}, size: [800, 1333], keepRatio: false}\n';
    assert.deepEqual(load(stretched).recipe.data.size, [800, 1333]);
    assert.match(refused('8'), /an integer from 32 to 8192 or a list of 2, each an integer/);
    assert.match(refused('[640, 8]'), /expected an integer from 32 to 8192 for data\.size\.1 but received 8/);
    assert.match(refused('big'), /received 'big'/);
  });
});

describe('augmentation', () => {
  const augment = (steps: string) => `data: {format: synthetic, train: {count: 32}, augment: ${steps}}\n`;

  test('steps keep their order and get their defaults', () => {
    const { recipe } = load(augment('[{crop: {}}, {flip: {probability: 1}}, {resize: {sizes: [[64, 32]]}}]'));
    assert.deepEqual(
      recipe.data.augment.map((step) => Object.keys(step)[0]),
      ['crop', 'flip', 'resize'],
    );
    assert.deepEqual(recipe.data.augment[0]?.crop, {
      probability: 0.5,
      scale: [0.5, 1],
      minVisible: 0.3,
      keepObject: false,
    });
    assert.equal(recipe.data.augment[2]?.resize?.mode, 'range');
  });

  test('without, there is one flip', () => {
    assert.deepEqual(load(shortest).recipe.data.augment, [{ flip: { probability: 0.5, keypointPairs: [] } }]);
    assert.deepEqual(load(augment('[]')).recipe.data.augment, []);
  });

  test('a step is a map with one name', () => {
    assert.match(
      problemOf(augment('[{flip: {}, crop: {}}]')).message,
      /one of the keys flip, resize, crop, resizeCrop, mosaic, affine, centreAffine, copyPaste, mixup, colour, colourJitter, photometric/,
    );
    assert.match(problemOf(augment('[{}]')).message, /one of the keys flip/);
    assert.match(
      problemOf(augment('[flip]')).message,
      /expected a map for data\.augment\.0 but received 'flip'/,
    );
    assert.match(problemOf(augment('[{flop: {}}]')).message, /unknown key 'flop' .*; did you mean 'flip'\?$/);
  });

  test('affine and photometric have the defaults of their native steps', () => {
    const { recipe } = load(augment('[{affine: {}}, {photometric: {}}]'));
    assert.deepEqual(recipe.data.augment[0]?.affine, {
      probability: 1,
      scale: [0.5, 1.5],
      stretch: [1, 1],
      translate: 0.1,
      rotate: 0,
      shear: 0,
      perspective: 0,
      minVisible: 0.1,
      minSide: 2,
      tight: false,
      fill: null,
      close: 0,
    });
    assert.deepEqual(recipe.data.augment[1]?.photometric, {
      probability: 0.5,
      brightness: 0.125,
      contrast: [0.5, 1.5],
      saturation: [0.5, 1.5],
      hue: 0.05,
      shuffleChannels: true,
      clamp: true,
    });
  });

  test('colourJitter and centreAffine have the defaults of their native steps', () => {
    const { recipe } = load(augment('[{centreAffine: {}}, {colourJitter: {}}]'));
    assert.deepEqual(recipe.data.augment[0]?.centreAffine, {
      probability: 1,
      scales: [0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3],
      border: 128,
      minVisible: 0,
      minSide: 0,
      fill: null,
    });
    assert.deepEqual(recipe.data.augment[1]?.colourJitter, {
      probability: 1,
      brightness: [0.6, 1.4],
      contrast: [0.6, 1.4],
      saturation: [0.6, 1.4],
      lighting: 0.1,
      randomOrder: false,
      clamp: true,
    });
  });

  test('nothing is joined behind colours without limits', () => {
    for (const step of ['photometric', 'colourJitter']) {
      const { path, message } = problemOf(augment(`[{${step}: {clamp: false}}, {mixup: {}}]`));
      assert.equal(path, 'data.augment.1');
      assert.match(message, new RegExp(`'mixup' before a '${step}' with clamp false`));
    }
    load(augment('[{colourJitter: {}}, {mixup: {}}, {photometric: {clamp: false}}]'));
  });

  test('a resize without the ratio takes sides in any order', () => {
    load(augment('[{resize: {sizes: [[384, 640]], keepRatio: false}}]'));
    assert.match(
      problemOf(augment('[{resize: {sizes: [[384, 640]]}}]')).message,
      /expected the longer side first, as \[1333, 800\] for data\.augment\.0\.resize\.sizes/,
    );
  });

  test('steps that join pictures close ten epochs before the end', () => {
    const { recipe, warnings } = load(
      `${augment('[{mosaic: {}}, {affine: {}}, {copyPaste: {}}, {mixup: {}}]')}train: {epochs: 30}\n`,
    );
    const [mosaic, , copyPaste, mixup] = recipe.data.augment;
    assert.deepEqual(mosaic?.mosaic, {
      probability: 1,
      centre: [0.25, 0.75],
      minVisible: 0.1,
      minSide: 2,
      close: 10,
    });
    assert.deepEqual(mixup?.mixup, { probability: 0.5, ratio: [0.4, 0.6], close: 10 });
    assert.deepEqual(copyPaste?.copyPaste, {
      probability: 0.5,
      objects: [1, 5],
      maxCovered: 0.3,
      minVisible: 0.1,
      minSide: 2,
      close: 10,
    });
    assert.ok(!warnings.some((warning) => warning.includes('augment')));
  });

  test('a step that is closed from the start is told', () => {
    const warningsOf = (steps: string) =>
      load(`${augment(steps)}train: {epochs: 8}\n`).warnings.filter((warning) => warning.includes('augment'));
    assert.match(
      warningsOf('[{mosaic: {}}]').join(),
      /^data\.augment\.0\.mosaic: never happens: it is left out of the last 10 epochs of 8/,
    );
    assert.deepEqual(warningsOf('[{mosaic: {close: 2}}, {affine: {}}]'), []);
  });

  test('steps that join pictures stand once, mosaic before affine, mixup last', () => {
    const messageOf = (steps: string) => problemOf(augment(steps)).message;
    assert.match(messageOf('[{mosaic: {}}, {mosaic: {}}]'), /expected 'mosaic' once for data\.augment\.1/);
    assert.match(messageOf('[{affine: {}}, {mosaic: {}}]'), /expected 'mosaic' before 'affine'/);
    assert.match(messageOf('[{mixup: {}}, {mosaic: {}}]'), /expected 'mosaic' before 'mixup'/);
    assert.match(messageOf('[{mixup: {}}, {copyPaste: {}}]'), /expected 'copyPaste' before 'mixup'/);
    load(augment('[{mosaic: {close: 0}}, {affine: {}}, {copyPaste: {close: 0}}, {mixup: {close: 0}}]'));
  });

  test('degenerate warps and colours are refused with one sentence', () => {
    for (const [step, sentence] of [
      ['affine: {scale: [1.5, 0.5]}', /the smaller number first, as \[0\.5, 1\.5\]/],
      ['affine: {scale: [0, 1]}', /augment\.0\.affine\.scale\.0 but received 0/],
      ['affine: {shear: 45}', /at most 40|0 to 40/],
      ['affine: {rotate: 200}', /0 to 180/],
      ['affine: {perspective: 1}', /0 to 0\.01/],
      ['photometric: {hue: 0.7}', /0 to 0\.5/],
      ['photometric: {contrast: [2, 1]}', /the smaller number first/],
      ['mosaic: {centre: [0.8, 0.2]}', /the smaller share first, as \[0\.25, 0\.75\]/],
      ['mosaic: {size: 64}', /unknown key 'size'/],
      ['mosaic: {close: -1}', /mosaic\.close/],
      ['mixup: {ratio: [0.6, 0.4]}', /the smaller share first/],
      ['copyPaste: {objects: [0, 3]}', /copyPaste\.objects\.0 but received 0/],
      ['resizeCrop: {window: [600, 384]}', /the smaller side first, as \[384, 600\]/],
      ['resizeCrop: {short: []}', /resizeCrop\.short/],
      ['flip: {close: 3}', /unknown key 'close'/],
      ['photometric: {contrast: 1}', /augment\.0\.photometric\.contrast but received 1/],
    ] as const) {
      assert.match(problemOf(augment(`[{${step}}]`)).message, sentence);
    }
  });

  test('faults inside a step', () => {
    assert.match(
      problemOf(augment('[{}, {flip: {probability: 2}}]'.replace('{}, ', ''))).message,
      /augment\.0\.flip\.probability/,
    );
    assert.match(problemOf(augment('[{crop: {scale: [1, 0.5]}}]')).message, /the smaller share first/);
    assert.match(
      problemOf(augment('[{resize: {}}]')).message,
      /augment\.0\.resize\.sizes but received nothing/,
    );
  });
});

test('threads that decode can only fail, stall, or lack memory', () => {
  const withFault = (fault: string) =>
    `data: {format: synthetic, train: {count: 32}}\ndebug: {fault: ${fault}}\n`;
  load(withFault('{point: decode, action: stall}'));
  assert.match(
    problemOf(withFault('{point: decode, action: kill}')).message,
    /expected 'error', 'stall' or 'memory' at point 'decode'/,
  );
  const second = problemOf(withFault('[{point: step}, {point: decode, action: nan}]'));
  assert.equal(second.path, 'debug.fault.1.action');
});

describe('the cache of pictures', () => {
  const warningsOf = (data: string) =>
    load(`data: {format: synthetic, train: {count: 32}, ${data}}\n`).warnings.filter((line) =>
      line.includes('cache'),
    );

  test('is off by default, and told where it has no effect', () => {
    const { data } = load(shortest).recipe;
    assert.deepEqual([data.cache, data.cacheLimit, data.cacheFolder], ['none', 4, null]);
    assert.match(
      warningsOf('cache: ram').join(),
      /data\.cache: keeps pictures of files only, and 'synthetic'/,
    );
    assert.match(warningsOf('cacheLimit: 9').join(), /has no effect with data\.cache 'none'/);
  });

  test('a folder wants a cache on disk', () => {
    const folder = 'data: {format: synthetic, train: {count: 32}, cacheFolder: kept}\n';
    assert.match(problemOf(folder).message, /expected null unless data\.cache is 'disk'/);
    assert.match(problemOf(folder.replace('cacheFolder: kept', 'cacheLimit: 0')).message, /data\.cacheLimit/);
  });
});

describe('nulls', () => {
  const clean = (value: unknown) =>
    JSON.parse(
      JSON.stringify(toPlain(withoutNulls(fromPlain(value, { source: aSource, line: 1, column: 1 })))),
    );

  test('fall away where the schema has none', () => {
    assert.deepEqual(clean({ train: { lr: null, ema: null, optimizer: null }, log: null }), {
      train: { ema: null },
    });
  });

  test('fall away below the chosen format and inside lists', () => {
    const data = { format: 'voc', train: { images: null, list: null }, val: null, size: null };
    assert.deepEqual(clean({ data }), { data: { format: 'voc', train: { list: null }, val: null } });
    assert.deepEqual(clean({ train: { groups: [{ match: 'a', lr: null }] } }), {
      train: { groups: [{ match: 'a' }] },
    });
  });

  test('stay under unknown keys, which are faults of their own', () => {
    assert.deepEqual(clean({ trian: null, train: { x: null } }), { trian: null, train: { x: null } });
  });
});

describe('all at once', () => {
  test('in the order of the file', () => {
    const text = [
      'train:',
      '  lr: fast',
      '  bacth: 8',
      'data:',
      '  format: synthetic',
      '  train: {count: none}',
      'model:',
      '  norm: off',
      'model:',
      '  regMax: 0',
    ].join('\n');
    const { problems, message } = failure(text);
    assert.deepEqual(
      problems.map(({ line, path }) => [line, path]),
      [
        [2, 'train.lr'],
        [3, 'train.bacth'],
        [6, 'data.train.count'],
        [8, 'model.norm'],
        [9, 'model'],
      ],
    );
    assert.match(message, /^5 problems in the recipe:\n {2}expected /);
    for (const problem of problems) assert.ok(message.includes(problem.message));
  });

  test('a flood is shown in part and kept in full', () => {
    const { problems, message } = failure(
      `${shortest}${Array.from({ length: 200 }, (_, i) => `k${i}: 1\n`).join('')}`,
    );
    assert.equal(problems.length, 200);
    assert.match(message, /… and 170 more$/);
  });
});

describe('any document', () => {
  const leaf = fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.integer({ min: -5, max: 300 }),
    fc.double({ noNaN: true }),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom(
      'auto',
      'sgd',
      'cosine',
      'voc',
      'coco',
      'synthetic',
      'steps',
      'train',
      'eval',
      '1e-3',
      'no',
    ),
  );
  const names = [
    'data',
    'train',
    'model',
    'format',
    'val',
    'size',
    'augment',
    'flip',
    'lr',
    'ema',
    'classes',
    'groups',
    'schedule',
    'at',
  ];
  const document = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 5 },
      leaf,
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string({ maxLength: 4 })), tie('any'), {
        maxKeys: 5,
      }),
    ),
  })).any;

  /** Every problem names a place that exists and shows one line of printable text. */
  function checkProblems(error: unknown, lines: number): void {
    assert.ok(error instanceof RecipeError, String((error as Error).stack));
    assert.ok(error.problems.length > 0);
    for (const { code, message, line } of error.problems) {
      assert.match(code, /^HD_RECIPE_[A-Z_]+$/);
      assert.match(message, /^expected .+ for .+ but received .+ \(.+\)/s);
      assert.ok(line >= (lines === 0 ? 0 : 1) && line <= lines, `${line} of ${lines}: ${message}`);
    }
  }

  test('as a file: loads or gives a RecipeError with lines inside it', () => {
    fc.assert(
      fc.property(document, (value) => {
        const text = dump(value);
        try {
          load(text);
        } catch (error) {
          checkProblems(error, text.split('\n').length);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('as an object: loads or gives a RecipeError', () => {
    fc.assert(
      fc.property(fc.oneof(document, fc.anything({ maxDepth: 3 })), (value) => {
        try {
          resolveRecipe(value as never, { cwd: '/' });
        } catch (error) {
          checkProblems(error, 0);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('one wrong leaf in a valid recipe is told as one problem at its path', () => {
    const valid = {
      data: {
        format: 'voc',
        train: { images: 'a', annotations: 'b' },
        val: { images: 'a', annotations: 'b' },
        workers: 2,
      },
      train: {
        lr: 0.1,
        batch: 8,
        seed: 3,
        optimizer: { momentum: 0.5 },
        schedule: { kind: 'cosine' },
        ema: { decay: 0.9 },
      },
      model: { norm: 'train', regMax: 8 },
      eval: { every: 1, best: 'ap' },
      checkpoint: { keep: 3 },
    };
    resolveRecipe(valid as never);
    const paths = [
      'data.train.images',
      'data.workers',
      'train.lr',
      'train.optimizer.momentum',
      'train.schedule.kind',
      'train.ema.decay',
      'model.norm',
      'eval.best',
      'checkpoint.keep',
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...paths),
        fc.constantFrom({ a: 1 }, [[]], false, -7, 1e12, '\u0007'),
        (path, wrong) => {
          const copy = structuredClone(valid) as Record<string, unknown>;
          const keys = path.split('.');
          const parent = keys.slice(0, -1).reduce((at, key) => at[key] as Record<string, unknown>, copy);
          if (keys.at(-1) === 'images' && typeof wrong === 'string') return;
          parent[keys.at(-1) as string] = wrong;
          try {
            resolveRecipe(copy as never);
          } catch (error) {
            assert.ok(error instanceof RecipeError);
            assert.deepEqual(
              error.problems.map((problem) => problem.path),
              [path],
            );
            return;
          }
          assert.fail(`${path} = ${JSON.stringify(wrong)} was accepted`);
        },
      ),
    );
  });
});

test('the schema that tells known keys is the one that zod checks', () => {
  const folder = folderOf({ 'a.yaml': shortest });
  const sections = Object.keys(load({ 'a.yaml': shortest }, {}).recipe);
  assert.ok(folder);
  assert.deepEqual(sections, Object.keys(inputSchema.properties ?? {}));
});
