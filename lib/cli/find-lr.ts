import { resolve } from 'node:path';
import { HdError } from '../error.ts';
import { native } from '../native.ts';
import { lineChart } from '../report/line-chart.ts';
import { table } from '../report/tables.ts';
import { type RangePoint, rangeTest, suggestRate } from '../trainer/lr-range.ts';
import { openTraining } from '../trainer/open.ts';
import { baseLearningRate, groupRates } from '../trainer/schedule.ts';
import {
  print,
  type RecipeOptions,
  readRecipe,
  showFetching,
  type Verb,
  wholeNumber,
  withRecipe,
} from './verb.ts';

interface FindLrOptions extends RecipeOptions {
  from: number;
  to: number;
  steps: number;
  out: string;
}

export const findLr: Verb<FindLrOptions> = {
  command: 'find-lr',
  describe: 'Try rising learning rates for some steps and suggest one',
  builder: (argv) =>
    withRecipe(argv)
      .option('from', { type: 'number', default: 1e-5, describe: 'First rate of train.lr' })
      .option('to', { type: 'number', default: 1, describe: 'Last rate of train.lr' })
      .option('steps', {
        type: 'number',
        default: 100,
        describe: 'Steps; the test ends when the loss explodes',
      })
      .option('out', { type: 'string', default: 'find-lr.svg', describe: 'Picture of the curve' }),
  handler: async (options) => {
    const { recipe } = readRecipe(options);
    const { from, to } = options;
    const steps = wholeNumber('steps', options.steps, 10, 100_000);
    if (!(from > 0 && to > from && to <= 100))
      throw new HdError('HD_USAGE', `expected 0 < --from < --to <= 100 but received ${from} and ${to}`);
    const { train } = recipe;
    const training = await openTraining(recipe, showFetching);
    let points: RangePoint[];
    try {
      training.loader.begin(0, 0);
      points = await rangeTest({ from, to, steps }, async (lr, step) => {
        if (!options.json && step % 10 === 0)
          process.stderr.write(`step ${step}/${steps}: lr ${lr.toExponential(1)}\n`);
        try {
          const output = await training.session.step(training.loader, {
            step,
            learningRates: groupRates(train.groups, baseLearningRate({ ...train, lr })),
            emaDecay: 0,
            lossWeights: train.lossWeights,
            clipNorm: train.clip,
            readLosses: true,
          });
          return output.losses?.total ?? null;
        } catch (error) {
          if (error instanceof HdError && error.code === 'HD_DIVERGED') return null;
          throw error;
        }
      });
    } finally {
      training.close();
    }
    const suggestion = suggestRate(points);
    const out = resolve(options.out);
    native().writeFile(out, chart(points, suggestion));
    print(options.json, { suggestion, out, points }, () => describe(points, suggestion, out, options.config));
  },
};

function chart(points: readonly RangePoint[], suggestion: number | null): string {
  return lineChart({
    title: 'Loss over the learning rate',
    xTitle: 'train.lr',
    yTitle: 'loss',
    lines: [
      { title: 'each step', colour: '#9aa5b1', points: points.map(({ lr, loss }) => [lr, loss]) },
      { title: 'smoothed', colour: '#1f6feb', points: points.map(({ lr, smooth }) => [lr, smooth]) },
    ],
    mark: suggestion === null ? null : { x: suggestion, title: suggestion.toPrecision(2) },
  });
}

function describe(
  points: readonly RangePoint[],
  suggestion: number | null,
  out: string,
  config: string,
): string {
  const every = Math.max(1, Math.floor(points.length / 12));
  const shown = points.filter((_, i) => i % every === 0);
  return [
    table(
      ['lr', 'loss', 'smoothed'],
      shown.map(({ lr, loss, smooth }) => [lr.toExponential(2), loss.toFixed(4), smooth.toFixed(4)]),
    ),
    '',
    `picture: ${out}`,
    suggestion === null
      ? 'no rate stands out: the loss did not fall; try other bounds with --from and --to, or more --steps'
      : `next: npx hdtrain --config ${config} --set train.lr=${suggestion.toPrecision(2)}`,
  ].join('\n');
}
