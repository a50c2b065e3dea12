/** What no single field can tell: fields that contradict each other, and settings that are legal but rarely meant. */
import { isDeepStrictEqual } from 'node:util';
import { schemaAt } from './introspect.ts';
import { type Problem, problem, show } from './problem.ts';
import { joiningSteps, longerFirst } from './schema/augment.ts';
import { remarkOnOneClass, termName } from './schema/distill.ts';
import { isSoft, votesUnheard } from './schema/eval.ts';
import type { Recipe } from './schema/root.ts';
import { nodeAt, originOf, type Path, type SourceNode, toPlain } from './source.ts';

/** What a check can say. `written` tells whether the user gave the field another value than its default. */
interface Desk {
  conflict(path: string, expected: string, cure?: string): void;
  warn(path: string, sentence: string): void;
  written(path: string): boolean;
}

type Check = (recipe: Recipe, desk: Desk) => void;

/** Runs all checks on a recipe that the schema accepts. */
export function crossCheck(recipe: Recipe, root: SourceNode, problems: Problem[], warnings: string[]): void {
  const split = (path: string): Path => path.split('.');
  const valueAt = (path: string) =>
    split(path).reduce<unknown>(
      (value, key) => (value as Record<string, unknown> | undefined)?.[key],
      recipe,
    );
  const desk: Desk = {
    conflict(path, expected, cure) {
      const written = nodeAt(root, split(path));
      const received = show(written ? toPlain(written) : valueAt(path));
      const at = originOf(root, split(path));
      problems.push(problem({ code: 'HD_RECIPE_CONFLICT', expected, path: split(path), received, at, cure }));
    },
    warn(path, sentence) {
      const { source, line } = originOf(root, split(path));
      const place = source.kind === 'file' ? `${source.label}:${line}` : source.label;
      warnings.push(`${path}: ${sentence} (${place})`);
    },
    written(path) {
      const node = nodeAt(root, split(path));
      return node !== undefined && !isDeepStrictEqual(toPlain(node), schemaAt(root, split(path))?.default);
    },
  };
  for (const check of checks) check(recipe, desk);
}

/** The end of the run in `unit`, where the recipe alone tells it. */
function runLength(
  { train, data }: Recipe,
  unit: 'epochs' | 'steps' | 'run',
): { length: number; exact: boolean } | undefined {
  if (unit === 'run') return { length: 1, exact: true };
  if (unit === 'epochs') return train.epochs === null ? undefined : { length: train.epochs, exact: true };
  if (train.steps !== null) return { length: train.steps, exact: true };
  if (data.format !== 'synthetic' || train.epochs === null) return undefined;
  return { length: train.epochs * Math.ceil((data.repeat * data.train.count) / train.batch), exact: false };
}

const oneLength: Check = ({ train }, { conflict }) => {
  if (train.epochs !== null && train.steps !== null) {
    conflict('train.steps', "either 'epochs' or 'steps'", 'set the other one to null');
  }
};

const oneAverage: Check = ({ train }, { conflict }) => {
  if (train.ema && train.swa) conflict('train.swa', "either 'ema' or 'swa'", 'set the other one to null');
};

const drops: Check = (recipe, { conflict }) => {
  const { kind, at, unit } = recipe.train.schedule;
  if (kind !== 'steps') return;
  if (at.length === 0)
    conflict('train.schedule.at', "at least one drop of the 'steps' schedule", 'as [8, 11]');
  if (at.some((drop, index) => index > 0 && drop <= (at[index - 1] as number))) {
    conflict('train.schedule.at', 'ascending drops');
  }
  const end = runLength(recipe, unit);
  if (end?.exact && at.some((drop) => drop >= end.length)) {
    conflict('train.schedule.at', `drops before the end of the run (${end.length} in ${unit})`);
  }
};

const warmupFits: Check = (recipe, { conflict, warn }) => {
  const { length, unit } = recipe.train.warmup;
  const end = runLength(recipe, unit);
  if (!end || length < end.length) return;
  if (end.exact) conflict('train.warmup.length', `a warm-up shorter than the run (${end.length} in ${unit})`);
  else
    warn(
      'train.warmup.length',
      `the warm-up of ${length} steps is longer than the run of about ${end.length}`,
    );
};

const batches: Check = ({ train, data, model }, { conflict, warn }) => {
  if (train.batch % train.accumulate !== 0) {
    conflict('train.accumulate', `a divisor of train.batch (${train.batch})`);
    return;
  }
  const micro = train.batch / train.accumulate;
  if (model.norm === 'train' && train.accumulate > 1) {
    warn(
      'train.accumulate',
      `batch norm sees ${micro} pictures at a time, so that this cut changes the result`,
    );
  } else if (model.norm === 'train' && micro === 1) {
    warn('train.batch', 'batch norm learns poorly from one picture at a time');
  }
  if (data.format === 'synthetic' && train.batch > data.repeat * data.train.count) {
    warn('train.batch', `the batch is larger than the data set of ${data.train.count} pictures`);
  }
};

const fromScratch: Check = ({ model, train }, { warn }) => {
  if (model.weights !== null) return;
  const random = 'holds random weights without model.weights and would never learn';
  if (model.norm !== 'train') {
    warn(
      'model.norm',
      `'${model.norm}' keeps batch norm statistics that nothing has measured; from scratch, use 'train'`,
    );
  }
  if (model.frozenStages > 0) warn('model.frozenStages', `the frozen part ${random}; from scratch, use 0`);
  if (train.freeze.length > 0) warn('train.freeze', `what is frozen ${random}`);
  if (model.init === 'backbone') warn('model.init', 'has no effect without model.weights');
};

const momentum: Check = ({ train: { optimizer } }, { conflict }) => {
  if (optimizer.kind === 'sgd' && optimizer.nesterov && optimizer.momentum === 0) {
    conflict('train.optimizer.nesterov', 'false when momentum is 0');
  }
};

/** Fields that only some kinds use; written beside another kind they are probably left over. */
const unused: Check = ({ train: { optimizer, schedule, lr } }, { warn, written }) => {
  const report = (parent: string, kind: string, fields: Record<string, readonly string[]>) => {
    for (const [field, kinds] of Object.entries(fields)) {
      if (!kinds.includes(kind) && written(`${parent}.${field}`))
        warn(`${parent}.${field}`, `has no effect with '${kind}'`);
    }
  };
  report('train.optimizer', optimizer.kind, {
    momentum: ['sgd'],
    nesterov: ['sgd'],
    betas: ['adamw'],
    eps: ['adamw'],
  });
  report('train.schedule', schedule.kind, {
    at: ['steps'],
    unit: ['steps'],
    gamma: ['steps'],
    power: ['poly'],
    floor: ['cosine', 'poly'],
  });
  if (optimizer.kind === 'adamw' && lr > 0.003)
    warn('train.lr', `${lr} suits sgd; adamw usually wants 0.0001 to 0.001`);
};

/** Soft kinds, which keep every box and lower its score: there is none to vote for. */
const suppressed: Check = ({ eval: { suppression } }, { conflict, warn, written }) => {
  const { kind } = suppression;
  if (votesUnheard(suppression))
    conflict(
      'eval.suppression.voting',
      `'none' with '${kind}', which keeps boxes and lowers their scores`,
      "use 'cluster-diou' to vote",
    );
  const uses: Record<string, boolean> = {
    beta: kind === 'cluster-diou',
    sigma: kind === 'soft-gaussian',
    minScore: isSoft(kind),
  };
  for (const [field, used] of Object.entries(uses)) {
    const at = `eval.suppression.${field}`;
    if (!used && written(at)) warn(at, `has no effect with '${kind}'`);
  }
};

const measured: Check = ({ data, eval: evaluation }, { conflict, warn, written }) => {
  if (evaluation.metric === 'voc' && !['ap', 'ap50', 'ap75'].includes(evaluation.best)) {
    conflict('eval.best', "'ap', 'ap50' or 'ap75' for the voc metric");
  }
  if (evaluation.metric !== 'voc' && written('eval.interpolation')) {
    warn('eval.interpolation', `has no effect with the '${evaluation.metric}' metric`);
  }
  if (evaluation.metric === 'lvis' && data.format !== 'lvis') {
    conflict('eval.metric', "'coco' or 'voc' unless data.format is lvis", "use 'coco'");
  }
  if (evaluation.metric === 'lvis' && evaluation.maxDetections < 300) {
    warn('eval.maxDetections', `LVIS counts up to 300 a picture, more than ${evaluation.maxDetections}`);
  }
  if (data.val === null) warn('data.val', 'there are no validation pictures, so nothing is evaluated');
};

const classCounts: Check = ({ model, data }, { conflict }) => {
  if (!('classes' in data.train) || !Array.isArray(data.train.classes) || model.classes === 'auto') return;
  const wanted = Array.isArray(model.classes) ? model.classes.length : model.classes;
  if (wanted !== data.train.classes.length) {
    conflict(
      'model.classes',
      `as many classes as data.train.classes has (${data.train.classes.length})`,
      "use 'auto'",
    );
  }
};

/** Names of the terms that a detector brings along. */
const reserved = ['cls', 'box', 'dfl', 'centerness', 'total'];

const transfersFit: Check = ({ distill, teachers, model, data }, { conflict, warn }) => {
  const names = new Set(reserved);
  for (const [index, entry] of distill.entries()) {
    const { teacher } = entry;
    if (teacher >= teachers.length)
      conflict(
        `distill.${index}.teacher`,
        teachers.length === 0 ? "a teacher in 'teachers'" : `a number below ${teachers.length}`,
        'list the teacher first',
      );
    const term = termName(entry);
    if (names.has(term))
      conflict(
        `distill.${index}.name`,
        'a name that no other loss term has',
        'give this transfer its own name',
      );
    names.add(term);
    const one = model.classes === 1 || (Array.isArray(model.classes) && model.classes.length === 1);
    const remark = one && remarkOnOneClass(entry);
    if (remark) warn(`distill.${index}.kind`, remark);
  }
  const changing = data.augment.filter((step) => !('flip' in step));
  for (const [index, { verify, cache }] of teachers.entries()) {
    if (cache && changing.length > 0)
      warn(
        `teachers.${index}.cache`,
        `finds only pictures that come again with the same pixels, which '${changing.map((step) => Object.keys(step)[0]).join("', '")}' in data.augment prevents`,
      );
    if (verify && data.val === null)
      conflict(
        `teachers.${index}.verify`,
        'validation pictures in data.val to verify a teacher on',
        'add data.val, or set verify to null',
      );
    if (!distill.some(({ teacher }) => teacher === index))
      warn(`teachers.${index}`, 'no transfer learns from this teacher: name it in distill');
  }
};

const shape: Check = ({ data }, { conflict }) => {
  if (data.keepRatio && Array.isArray(data.size) && data.size[0] < data.size[1])
    conflict('data.size', longerFirst, 'swap the sides, or set data.keepRatio to false for [width, height]');
};

const cached: Check = ({ data }, { conflict, warn, written }) => {
  if (data.cache !== 'none' && ['synthetic', 'source'].includes(data.format))
    warn('data.cache', `keeps pictures of files only, and '${data.format}' has none`);
  if (data.cache === 'none' && written('data.cacheLimit'))
    warn('data.cacheLimit', "has no effect with data.cache 'none'");
  if (data.cache !== 'disk' && data.cacheFolder !== null)
    conflict('data.cacheFolder', "null unless data.cache is 'disk'", 'set data.cache to disk');
};

const faults: Check = ({ debug }, { conflict }) => {
  const several = Array.isArray(debug.fault);
  for (const [index, { point, action }] of [debug.fault].flat().entries()) {
    if (point === 'decode' && !['error', 'stall', 'memory'].includes(action))
      conflict(
        `debug.fault${several ? `.${index}` : ''}.action`,
        "'error', 'stall' or 'memory' at point 'decode'",
        'choose one of them, or another point',
      );
  }
};

/** What the order of steps has to be stands with the native Pipeline; here it gets a line of the file. */
const augmentation: Check = (recipe, { conflict, warn }) => {
  const names = recipe.data.augment.map((step) => Object.keys(step)[0] as string);
  const mixup = names.indexOf('mixup');
  for (const [index, name] of names.entries()) {
    const at = `data.augment.${index}`;
    if (joiningSteps.includes(name) && names.indexOf(name) < index)
      conflict(at, `'${name}' once`, 'remove this one');
    else if (joiningSteps.includes(name) && mixup >= 0 && mixup < index)
      conflict(at, `'${name}' before 'mixup'`, "move 'mixup' behind it");
    const open = recipe.data.augment
      .slice(0, index)
      .find((step) => (step.photometric ?? step.colourJitter)?.clamp === false);
    if (joiningSteps.includes(name) && open)
      conflict(
        at,
        `'${name}' before a '${Object.keys(open)[0]}' with clamp false`,
        'move it there, or leave clamp true',
      );
    if (name === 'mosaic' && names.slice(0, index).includes('affine'))
      conflict(at, "'mosaic' before 'affine'", "move 'affine' behind it");
    const step = recipe.data.augment[index] as Record<string, { close?: number; probability?: number }>;
    const close = step[name]?.close ?? 0;
    const end = runLength(recipe, 'epochs');
    if (end && close > 0 && close >= end.length && step[name]?.probability !== 0)
      warn(
        `${at}.${name}`,
        `never happens: it is left out of the last ${close} epochs of ${end.length}; lower its close`,
      );
  }
};

const deformable: Check = ({ model }, { conflict }) => {
  if (model.deformable && /^resnet(18|34)$/.test(model.backbone))
    conflict(
      'model.deformable',
      `a backbone with bottlenecks for deformable convolutions rather than ${model.backbone}`,
      'use resnet50 or larger, or set deformable to null',
    );
};

const checks: readonly Check[] = [
  augmentation,
  cached,
  deformable,
  faults,
  transfersFit,
  oneLength,
  shape,
  oneAverage,
  drops,
  warmupFits,
  batches,
  fromScratch,
  momentum,
  unused,
  suppressed,
  measured,
  classCounts,
];
