import { totalmem } from 'node:os';
import process from 'node:process';
import { HdError } from '../error.ts';
import { table } from '../report/tables.ts';
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

interface FindBatchOptions extends RecipeOptions {
  max: number;
  memory: number;
  steps: number;
}

interface Trial {
  batch: number;
  imagesPerSecond: number;
  /** Bytes of the process after the steps. */
  memory: number;
}

/** Bytes of the machine, or fewer where a container's limit (cgroup) is below; without one it is 0, absent or huge. */
export function usableMemory(total: number, limit: number | undefined): number {
  return limit ? Math.min(total, limit) : total;
}

/** In GB, of which a small container has but a few. */
function mayBeUsed(bytes: number): number {
  const share = (0.7 * bytes) / 1e9;
  return share < 10 ? Math.floor(share * 10) / 10 : Math.floor(share);
}

/** Gain in speed below which a larger batch is not worth its memory. */
const worthwhile = 1.03;

export const findBatch: Verb<FindBatchOptions> = {
  command: 'find-batch',
  describe: 'Double the batch until memory or speed says stop, and suggest one',
  builder: (argv) =>
    withRecipe(argv)
      .option('max', { type: 'number', default: 64, describe: 'Largest batch to try' })
      .option('memory', {
        type: 'number',
        default: mayBeUsed(usableMemory(totalmem(), process.constrainedMemory())),
        describe:
          'Memory that may be used, in GB (default: 70 % of the machine, or of what its container allows)',
      })
      .option('steps', {
        type: 'number',
        default: 3,
        describe: 'Timed steps of each batch, after one to warm up',
      }),
  handler: async (options) => {
    const max = wholeNumber('max', options.max, 1, 65536);
    const steps = wholeNumber('steps', options.steps, 1, 1000);
    if (!(options.memory > 0))
      throw new HdError('HD_USAGE', `expected a number above 0 for --memory but received ${options.memory}`);
    const budget = options.memory * 1e9;
    const trials: Trial[] = [];
    let why = `--max ${max} reached`;
    for (let batch = 1; batch <= max; batch *= 2) {
      const { recipe } = readRecipe({
        ...options,
        set: [...options.set, `train.batch=${batch}`, 'train.accumulate=1'],
      });
      const trial = await tryBatch(recipe, batch, steps);
      if (trial === null) {
        why = `batch ${batch} does not fit into memory`;
        break;
      }
      trials.push(trial);
      if (!options.json) process.stderr.write(`batch ${batch}: ${trial.imagesPerSecond.toFixed(1)} img/s\n`);
      // The next one would take about twice what this one took; the weights make that a little too much.
      if (2 * trial.memory > budget) {
        why = `a batch of ${2 * batch} would exceed ${options.memory} GB`;
        break;
      }
    }
    const suggestion = suggestBatch(trials);
    print(options.json, { suggestion, stopped: why, trials }, () =>
      [
        table(
          ['batch', 'img/s', 'memory, MB'],
          trials.map((t) => [String(t.batch), t.imagesPerSecond.toFixed(1), (t.memory / 1e6).toFixed(0)]),
        ),
        '',
        `stopped: ${why}`,
        `next: npx hdtrain --config ${options.config} --set train.batch=${suggestion} (the learning rate follows by train.lrBatch)`,
      ].join('\n'),
    );
  },
};

/** Null when memory runs out. */
async function tryBatch(
  recipe: ReturnType<typeof readRecipe>['recipe'],
  batch: number,
  steps: number,
): Promise<Trial | null> {
  const training = await openTraining(recipe, showFetching);
  const rate = baseLearningRate(recipe.train);
  try {
    training.loader.begin(0, 0);
    const step = async (number: number) => {
      const output = await training.session.step(training.loader, {
        step: number,
        learningRates: groupRates(recipe.train.groups, rate),
        emaDecay: 0,
        lossWeights: recipe.train.lossWeights,
        clipNorm: recipe.train.clip,
        readLosses: false,
      });
      return output.accumulate === 1;
    };
    if (!(await step(0))) return null;
    const start = performance.now();
    for (let i = 1; i <= steps; ++i) if (!(await step(i))) return null;
    const seconds = (performance.now() - start) / 1000;
    return { batch, imagesPerSecond: (steps * batch) / seconds, memory: process.memoryUsage.rss() };
  } catch (error) {
    if (error instanceof HdError && ['HD_MEMORY', 'HD_DATA_MEMORY'].includes(error.code)) return null;
    throw error;
  } finally {
    training.close();
  }
}

/** The smallest batch that no larger one beats by more than a few per cent. */
export function suggestBatch(trials: readonly Trial[]): number {
  const fastest = Math.max(...trials.map(({ imagesPerSecond }) => imagesPerSecond));
  return trials.find(({ imagesPerSecond }) => imagesPerSecond * worthwhile >= fastest)?.batch ?? 1;
}
