import { HdError } from '../error.ts';
import type { DatasetReport, NativeDataset } from '../native.ts';
import { count } from '../report/format.ts';
import { table } from '../report/tables.ts';
import { openSession } from '../trainer/open.ts';
import { rateCourse, type Timeline } from '../trainer/schedule.ts';
import { openData, openLoader } from '../trainer/setup.ts';
import { requireWeights, timelineOf } from '../trainer/start.ts';
import { describeTeacher } from '../trainer/teachers.ts';
import { print, type RecipeOptions, readRecipe, showFetching, type Verb, withRecipe } from './verb.ts';

interface CheckOptions extends RecipeOptions {
  decode: boolean;
  leakage: boolean;
}

export const check: Verb<CheckOptions> = {
  command: 'check',
  describe: 'Check a recipe, its data and its weights without training',
  builder: (argv) =>
    withRecipe(argv)
      .option('decode', {
        type: 'boolean',
        default: true,
        describe: 'Decode every picture (finds damaged files and duplicates)',
      })
      .option('leakage', {
        type: 'boolean',
        default: true,
        describe: 'Look for pictures that train and val share',
      }),
  handler: async (options) => {
    const { recipe, warnings: written } = readRecipe(options);
    if (recipe.model.weights) requireWeights(recipe.model.weights);
    const { trainSet, valSet } = await openData(recipe, showFetching);
    const { session, teachers, warnings: remarks } = await openSession(recipe, trainSet);
    const warnings = [...written, ...remarks];
    const weights = recipe.model.weights
      ? await session.loadWeights(recipe.model.weights, recipe.model.init)
      : null;
    const loader = openLoader(recipe, trainSet, true, session.divisor);
    const timeline = timelineOf(recipe, loader);
    const course = rateCourse(recipe.train, timeline);
    const { canvases } = loader;
    loader.close();
    session.close();
    const splits: Record<string, DatasetReport> = {
      train: await trainSet.report({ decode: options.decode, threads: 0 }),
    };
    if (valSet) splits.val = await valSet.report({ decode: options.decode, threads: 0 });
    const leaks = valSet && options.leakage && options.decode ? await trainSet.leakage(valSet, 0) : [];
    print(
      options.json,
      {
        recipe: options.config,
        warnings,
        timeline,
        learningRate: course.points.map(({ step, rate, what }) => ({ ...place(step, timeline), rate, what })),
        missedDrops: course.missed,
        canvases,
        weights,
        teachers,
        splits,
        leaks,
      },
      () =>
        [
          `${options.config}: the recipe is valid`,
          ...warnings.map((warning) => `warning: ${warning}`),
          `${count(timeline.totalSteps)} steps of ${recipe.train.batch} pictures, ${count(timeline.stepsPerEpoch)} an epoch; canvases ${canvases.map(([h, w]) => `${w}×${h}`).join(' ')}`,
          ...(weights
            ? [
                `weights: ${weights.matched.length} tensors matched, ${weights.missing.length} missing, ${weights.unexpected.length} not used`,
              ]
            : ['weights: none, from scratch']),
          ...teachers.map(describeTeacher),
          '',
          ...describeRates(course, timeline),
          ...Object.entries(splits).flatMap(([name, report]) => ['', ...describeSplit(name, report)]),
          ...(leaks.length > 0
            ? [
                '',
                `${leaks.length} pictures of val are (nearly) in train:`,
                ...leaks.slice(0, 10).map(({ file, other }) => `  ${file} ~ ${other}`),
              ]
            : []),
          '',
          `next: npx hdtrain --config ${options.config}`,
        ].join('\n'),
    );
    refuseUnusable(trainSet, splits);
  },
};

/** Counted from 1, as in the lines of a run. */
function place(step: number, { stepsPerEpoch }: Timeline): { step: number; epoch: number } {
  return { step: step + 1, epoch: Math.floor(step / stepsPerEpoch) + 1 };
}

const shownRates = 12;

function describeRates({ points, missed }: ReturnType<typeof rateCourse>, timeline: Timeline): string[] {
  const rows = points.map(({ step, rate, what }) => {
    const at = place(step, timeline);
    return [at.step, at.epoch, rate.toPrecision(3), what];
  });
  const left = rows.length - shownRates;
  const end = rows.at(-1) ?? [];
  return [
    table(['step', 'epoch', 'learning rate', ''], left > 0 ? [...rows.slice(0, shownRates - 1), end] : rows),
    ...(left > 0 ? [`${left} more drops before the last step`] : []),
    ...(missed > 0
      ? [
          `${missed} of the drops in train.schedule.at never happen: the run ends, or averaging begins, before them`,
        ]
      : []),
  ];
}

function describeSplit(name: string, report: DatasetReport): string[] {
  const sides = report.boxSides.map((side) => side.toFixed(0));
  return [
    `${name}: ${count(report.images)} pictures (${count(report.trainable)} usable), ${count(report.annotations)} objects`,
    table(
      ['class', 'pictures', 'objects', 'ignored', 'median side'],
      report.perClass.map((row) => [
        row.name,
        row.images,
        row.objects,
        row.ignored,
        Math.round(row.medianSide),
      ]),
    ),
    ...(sides.length > 0
      ? [
          `box sides, pixels: min ${sides[0]}, 10 % ${sides[1]}, median ${sides[3]}, 90 % ${sides[5]}, max ${sides[6]}`,
        ]
      : []),
    ...Object.entries(report.findingCounts).map(([code, number]) => `${number} × ${code}`),
    ...report.findings.slice(0, 20).map(({ where, message }) => `  ${where}: ${message}`),
    ...(report.duplicates.length > 0
      ? [`${report.duplicates.length} groups of equal pictures, e.g. ${report.duplicates[0]?.join(', ')}`]
      : []),
  ];
}

/** A data set that cannot train ends with exit 3, so that scripts see it. */
function refuseUnusable(trainSet: NativeDataset, splits: Record<string, DatasetReport>): void {
  if (splits.train?.trainable === 0) {
    throw new HdError(
      'HD_DATA_EMPTY',
      `expected pictures to learn from in data.train but none of ${trainSet.length} is usable: see the findings above`,
      'data.train',
    );
  }
}
