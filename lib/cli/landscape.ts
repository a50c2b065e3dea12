import { join, resolve } from 'node:path';
import { Detector } from '../detector.ts';
import { HdError } from '../error.ts';
import { type LevelDifference, type NativeDataset, native } from '../native.ts';
import type { Recipe } from '../recipe/index.ts';
import { heatMap } from '../report/heat-map.ts';
import { table } from '../report/tables.ts';
import { detectAll } from '../trainer/detect.ts';
import { Faults } from '../trainer/faults.ts';
import { classNames, detectOptions, openLoader, openMeasured } from '../trainer/setup.ts';
import { requireWeights } from '../trainer/start.ts';
import {
  machineOverrides,
  outputFolder,
  print,
  type RecipeOptions,
  readRecipe,
  showFetching,
  type Verb,
  warn,
  withMachine,
  withRecipe,
} from './verb.ts';

interface LandscapeOptions extends RecipeOptions {
  weights: string;
  weights2: string;
  own: number[];
  other: number[];
  split: string;
  out?: string | undefined;
  threads?: number | undefined;
}

interface Point {
  own: number;
  other: number;
  ap: number;
  ap50: number;
  ap75: number;
}

const maxPoints = 256;

export const landscape: Verb<LandscapeOptions> = {
  command: 'landscape',
  describe:
    'AP of one detector as the features of another are mixed into its own, and how far the two are apart',
  builder: (argv) =>
    withMachine(withRecipe(argv))
      .option('weights', {
        type: 'string',
        demandOption: true,
        describe: 'Detector whose features are mixed in (as the teacher)',
      })
      .option('weights2', {
        type: 'string',
        demandOption: true,
        describe: 'Detector whose head is measured (as the student)',
      })
      .option('own', {
        type: 'number',
        array: true,
        default: [0, 0.25, 0.5, 0.75, 1],
        describe: 'Shares of its own features',
      })
      .option('other', {
        type: 'number',
        array: true,
        default: [0, 0.25, 0.5, 0.75, 1],
        describe: "Shares of the other detector's features",
      })
      .option('split', {
        type: 'string',
        choices: ['val', 'train'],
        default: 'val',
        describe: 'Which pictures of the recipe',
      })
      .option('out', { type: 'string', describe: 'Folder for landscape.json and landscape.svg' }),
  handler: async (options) => {
    const { own, other, json } = options;
    shares('own', own);
    shares('other', other);
    if (own.length * other.length > maxPoints)
      throw new HdError(
        'HD_USAGE',
        `expected at most ${maxPoints} points but --own and --other make ${own.length * other.length}`,
      );
    if (options.out !== undefined) outputFolder('out', options.out);
    const { recipe } = readRecipe({ ...options, set: [...options.set, ...machineOverrides(options)] });
    const { trainSet, dataset } = await openMeasured(recipe, options.split, showFetching);
    const classes = classNames(recipe, trainSet);
    recipe.model.classes = classes.length;
    const detectors: Detector[] = [];
    try {
      for (const weights of [options.weights, options.weights2])
        detectors.push(await open(weights, recipe, classes));
      const [mixedIn, measured] = detectors as [Detector, Detector];
      const live = process.stderr.isTTY && !json;
      const grid = own.flatMap((a) => other.map((b) => ({ own: a, other: b })));
      const result = await measure(recipe, dataset, measured, mixedIn, grid, (done) => {
        if (live) process.stderr.write(`\r\x1b[Kmeasuring ${done}/${dataset.length}`);
      });
      if (live) process.stderr.write('\r\x1b[K');
      const rows = own.map((_, r) => result.points.slice(r * other.length, (r + 1) * other.length));
      const picture = heatMap({
        title: `AP, ${dataset.length} pictures`,
        rowTitle: 'own features',
        rows: own,
        columnTitle: "other detector's features",
        columns: other,
        values: rows.map((row) => row.map(({ ap }) => ap)),
      });
      if (options.out !== undefined) {
        native().writeFile(join(options.out, 'landscape.json'), `${JSON.stringify(result, null, 1)}\n`);
        native().writeFile(join(options.out, 'landscape.svg'), picture);
      }
      print(json, result, () =>
        [
          'AP by share of own features (rows) and of the other detector’s (columns)',
          table(
            ['', ...other.map(String)],
            rows.map((row, r) => [String(own[r]), ...row.map(({ ap }) => (ap < 0 ? '–' : ap.toFixed(4)))]),
          ),
          '',
          'mean absolute difference of the two',
          table(
            ['level', 'class scores', 'box distributions'],
            result.levels.map(({ level, cls, reg }) => [level, cls.toFixed(6), reg.toFixed(6)]),
          ),
          options.out === undefined
            ? 'next: add --out DIR for JSON and a picture'
            : `written to ${resolve(options.out)}`,
        ].join('\n'),
      );
    } finally {
      for (const detector of detectors) detector.close();
    }
  },
};

/** Weights that describe themselves, or those of the recipe's model; classes must be those of the data. */
async function open(weights: string, recipe: Recipe, classes: string[]): Promise<Detector> {
  requireWeights(weights);
  const { metadata } = await native().weightsInfo(weights);
  const { threads } = recipe.train;
  const detector =
    metadata.format === 'hdtrain-student-1'
      ? await Detector.load(weights, threads === 'auto' ? {} : { threads })
      : await Detector.load(weights, { recipe, classes });
  if (detector.classes.join('\n') === classes.join('\n')) return detector;
  detector.close();
  throw new HdError(
    'HD_USAGE',
    `expected detectors of the classes ${classes.join(', ')} but ${weights} knows ${detector.classes.join(', ')}: compare on data of its classes`,
    weights,
  );
}

async function measure(
  recipe: Recipe,
  dataset: NativeDataset,
  measured: Detector,
  mixedIn: Detector,
  grid: { own: number; other: number }[],
  progress: (done: number) => void,
): Promise<{ images: number; points: Point[]; levels: LevelDifference[] }> {
  const evaluators = grid.map(() => new (native().Evaluator)(dataset));
  const loader = openLoader(recipe, dataset, false, measured.session.divisor);
  const faults = new Faults(recipe.debug.fault);
  const sums = new Map<string, LevelDifference>();
  let images = 0;
  try {
    const next = async () => {
      const fault = faults.pretended('evaluate', 0);
      const options = { ...detectOptions(recipe), fault };
      const output = await measured.session.detectMixed(mixedIn.session, loader, evaluators, grid, options);
      for (const { level, cells, cls, reg } of output.levels ?? []) {
        const sum = sums.get(level) ?? { level, cells: 0, cls: 0, reg: 0 };
        sums.set(level, {
          level,
          cells: sum.cells + cells,
          cls: sum.cls + cells * cls,
          reg: sum.reg + cells * reg,
        });
      }
      return output;
    };
    const { done, failed } = await detectAll(loader, next, { progress, warn });
    for (const { file, message } of failed) process.stderr.write(`skipped ${file}: ${message}\n`);
    images = done;
  } finally {
    loader.close();
  }
  const { metric, interpolation } = recipe.eval;
  const points: Point[] = [];
  for (const [index, point] of grid.entries()) {
    const found = await evaluators[index]?.summarize({ metric, interpolation });
    const number = (name: string) => Number(found?.[name] ?? -1);
    points.push({ ...point, ap: number('ap'), ap50: number('ap50'), ap75: number('ap75') });
  }
  const levels = [...sums.values()].map(({ level, cells, cls, reg }) => ({
    level,
    cells,
    cls: cls / cells,
    reg: reg / cells,
  }));
  return { images, points, levels };
}

function shares(option: string, values: readonly number[]): void {
  const wrong = values.find((value) => !Number.isFinite(value) || Math.abs(value) > 100);
  if (values.length === 0 || wrong !== undefined)
    throw new HdError(
      'HD_USAGE',
      `expected numbers from -100 to 100 for --${option} but received ${wrong ?? 'none'}`,
    );
}
