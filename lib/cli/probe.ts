import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { HdError } from '../error.ts';
import type { ProbeReport, StepInput } from '../native.ts';
import type { Recipe } from '../recipe/schema/root.ts';
import { count } from '../report/format.ts';
import { table } from '../report/tables.ts';
import { openTraining, type Training } from '../trainer/open.ts';
import {
  print,
  type RecipeOptions,
  readRecipe,
  setOption,
  showFetching,
  type Verb,
  wholeNumber,
} from './verb.ts';

interface ProbeOptions extends Omit<RecipeOptions, 'config'> {
  config?: string | undefined;
  dump?: string | undefined;
  checkpoint?: string | undefined;
  annotations?: string | undefined;
  images?: string | undefined;
  epoch?: number | undefined;
  step?: number | undefined;
  top: number;
}

export const probe: Verb<ProbeOptions> = {
  command: 'probe',
  describe: 'Look at one batch: every loss term, gradients, the worst tensors; nothing is trained',
  builder: (argv) =>
    argv
      .option('config', { type: 'string', describe: 'Recipe (YAML)' })
      .option('set', setOption())
      .option('dump', { type: 'string', describe: 'RUN/diverged: replay the batch that a run stopped at' })
      .option('checkpoint', {
        type: 'string',
        describe: 'Weights and optimiser state of a checkpoint folder',
      })
      .option('annotations', { type: 'string', describe: 'COCO JSON with the targets to look at instead' })
      .option('images', { type: 'string', describe: 'Folder of the pictures that --annotations names' })
      .option('epoch', { type: 'number', describe: 'Epoch of the batch, from 0 (default: 0)' })
      .option('step', { type: 'number', describe: 'Batch within the epoch, from 0 (default: 0)' })
      .option('top', { type: 'number', default: 10, describe: 'Lines of each table' })
      .conflicts('dump', ['config', 'checkpoint', 'annotations', 'epoch', 'step'])
      .implies('annotations', 'images')
      .example('$0 probe --config r.yaml', 'the first batch with fresh weights')
      .example('$0 probe --dump runs/a-1/diverged', 'what made a run stop'),
  handler: async (options) => {
    const place = options.dump ? readDump(options.dump, options.set) : fromOptions(options);
    const top = wholeNumber('top', options.top, 1, 100_000);
    const training = await openTraining(place.recipe, showFetching);
    try {
      if (place.checkpoint) await training.session.restore(place.checkpoint);
      const report = await look(training, place);
      print(options.json, { ...report, files: filesOf(training, report) }, () =>
        describe(report, filesOf(training, report), top),
      );
    } finally {
      training.close();
    }
  },
};

interface Place {
  recipe: Recipe;
  checkpoint: string | null;
  epoch: number;
  step: number;
  input: Partial<StepInput>;
}

function fromOptions(options: ProbeOptions): Place {
  const { config, checkpoint, annotations, images } = options;
  if (!config) throw new HdError('HD_USAGE', "expected --config or --dump for 'hdtrain probe'");
  const { recipe: read } = readRecipe({ config, set: options.set, json: options.json });
  const recipe = annotations && images ? withPictures(read, resolve(images), resolve(annotations)) : read;
  return {
    recipe,
    checkpoint: checkpoint ?? null,
    epoch: wholeNumber('epoch', options.epoch ?? 0, 0, 1e9),
    step: wholeNumber('step', options.step ?? 0, 0, 1e9),
    input: {},
  };
}

/** The recipe with these pictures to learn from, whatever its own format. */
function withPictures(recipe: Recipe, images: string, annotations: string): Recipe {
  const train = { images, annotations, also: [], classes: null };
  return { ...recipe, data: { ...recipe.data, format: 'coco', train, val: null } as Recipe['data'] };
}

/** What a run left when it stopped (lib/trainer/hooks/steps.ts). @throws HdError HD_USAGE, HD_CKPT_CORRUPT */
function readDump(folder: string, set: string[]): Place {
  const file = join(folder, 'dump.json');
  if (!existsSync(file)) {
    throw new HdError(
      'HD_USAGE',
      `expected a folder with a dump for --dump but ${file} does not exist: name the 'diverged' folder of a run`,
      file,
    );
  }
  const { epoch, stepInEpoch, input } = parseDump(file);
  const { recipe } = readRecipe({ config: join(folder, 'recipe.yaml'), set, json: false });
  const { lossWeights, clip } = recipe.train;
  return {
    recipe,
    checkpoint: folder,
    epoch,
    step: stepInEpoch,
    input: { ...input, lossWeights, clipNorm: clip },
  };
}

interface Dump {
  epoch: number;
  stepInEpoch: number;
  input: StepInput;
}

/** @throws HdError HD_CKPT_CORRUPT */
function parseDump(file: string): Dump {
  try {
    const dump = JSON.parse(readFileSync(file, 'utf8')) as Partial<Dump> | null;
    for (const name of ['epoch', 'stepInEpoch'] as const) {
      if (!Number.isInteger(dump?.[name]) || Number(dump?.[name]) < 0)
        throw new Error(`it has no ${name} that counts from 0`);
    }
    if (typeof dump?.input !== 'object' || dump.input === null) throw new Error('it has no input');
    return dump as Dump;
  } catch (error) {
    throw new HdError(
      'HD_CKPT_CORRUPT',
      `expected what a run wrote when it stopped but ${file} cannot be read (${(error as Error).message}): let the run stop there again, or look at the batch with --config, --checkpoint, --epoch and --step`,
      file,
      { cause: error },
    );
  }
}

async function look(
  { session, loader }: Training,
  { recipe, epoch, step, input }: Place,
): Promise<ProbeReport> {
  loader.begin(epoch, step);
  return session.probe(loader, {
    step,
    learningRates: [],
    emaDecay: 0,
    lossWeights: recipe.train.lossWeights,
    clipNorm: 0,
    readLosses: true,
    ...input,
  });
}

function filesOf({ trainSet }: Training, report: ProbeReport): string[] {
  return report.images.map((image) => trainSet.image(image).file || `picture ${image}`);
}

/** Numbers of any size, and those that are none, in few characters. */
const short = (value: number) =>
  !Number.isFinite(value) ? String(value) : value === 0 ? '0' : value.toPrecision(4);

/** What is not finite first, then the largest; stable, so the network's order breaks ties. */
function worst<T>(items: readonly T[], bad: (item: T) => number, size: (item: T) => number): T[] {
  return [...items].sort(
    (a, b) => Number(bad(b) > 0) - Number(bad(a) > 0) || (bad(a) > 0 ? 0 : size(b) - size(a)),
  );
}

function describe(report: ProbeReport, files: readonly string[], top: number): string {
  const { tensors, parameters } = report;
  const badTensors = tensors.filter(({ nonFinite }) => nonFinite > 0);
  const badParameters = parameters.filter((p) => p.nonFiniteWeights + p.nonFiniteGradients > 0);
  const ratio = ({ gradientNorm, weightNorm }: (typeof parameters)[number]) =>
    weightNorm > 0 ? gradientNorm / weightNorm : gradientNorm;
  const lines = [
    `batch ${report.step} of epoch ${report.epoch}: ${files.join(', ')}`,
    `${report.positives} positives, loss ${short(report.total)}, gradient norm ${short(report.gradientNorm)}`,
    '',
    table(
      ['term', 'value', 'weight', 'weighted', 'gradient norm'],
      report.terms.map((t) => [
        t.name,
        short(t.value),
        short(t.weight),
        short(t.weighted),
        short(t.gradientNorm),
      ]),
    ),
    '',
    table(
      ['tensor', 'shape', 'not finite', 'zeros', 'mean', 'deviation', 'largest'],
      worst(
        tensors,
        (t) => t.nonFinite,
        (t) => t.largest,
      )
        .slice(0, top)
        .map((t) => [
          t.name,
          t.shape.join('×'),
          count(t.nonFinite),
          `${(100 * t.zeros).toFixed(1)} %`,
          short(t.mean),
          short(t.deviation),
          short(t.largest),
        ]),
    ),
    '',
    table(
      ['parameter', 'shape', 'weight norm', 'gradient norm', 'gradient / weight'],
      worst(
        parameters,
        (p) => p.nonFiniteWeights + p.nonFiniteGradients,
        (p) => ratio(p),
      )
        .slice(0, top)
        .map((p) => [p.name, p.shape.join('×'), short(p.weightNorm), short(p.gradientNorm), short(ratio(p))]),
    ),
    '',
    badTensors[0]
      ? `the first tensor that is not finite: ${badTensors[0].name} (${count(badTensors[0].nonFinite)} of its elements)`
      : 'every tensor is finite',
  ];
  if (badParameters[0]) lines.push(`the first parameter that is not finite: ${badParameters[0].name}`);
  const still = parameters.filter(({ gradientNorm }) => gradientNorm === 0);
  if (still.length > 0)
    lines.push(`${still.length} parameters get no gradient from this batch, the first: ${still[0]?.name}`);
  lines.push("next: 'hdtrain browse' shows batches as pictures; --top N shows more lines");
  return lines.join('\n');
}
