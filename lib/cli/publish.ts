import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { Detector } from '../detector.ts';
import { HdError } from '../error.ts';
import { native } from '../native.ts';
import { loadRecipe, type Recipe } from '../recipe/index.ts';
import { count } from '../report/format.ts';
import { recipeDigest } from '../trainer/digest.ts';
import { lastEvaluation } from '../trainer/metrics-file.ts';
import { RunFolder, readCheckpoint } from '../trainer/run-folder.ts';
import { exportMetadata, requireWeights } from '../trainer/start.ts';
import { type CommonOptions, outputFolder, print, type Verb } from './verb.ts';

interface PublishOptions extends CommonOptions {
  from: string;
  best: boolean;
  out?: string | undefined;
  name?: string | undefined;
}

/** Counters that only training reads; a loader does without them. */
const needless = ['.num_batches_tracked'];
/** What transfers have learned beside the network (adapters): a checkpoint has it, a detector does without. */
const learnedBeside = ['distill.'];

/** Where weights come from, and what is known of them besides themselves. */
interface Origin {
  weights: string;
  /** Of the tensors to take; what comes behind is their name. */
  prefix: string;
  /** Names the published file. */
  name: string;
  /** Finished steps of a checkpoint; null: the end of a run. */
  step: number | null;
  folder: string;
  metadata: Record<string, string>;
}

export const publish: Verb<PublishOptions> = {
  command: 'publish <from>',
  describe: 'Write the student alone into one file that describes itself, with its hash in the name',
  builder: (argv) =>
    argv
      .positional('from', {
        type: 'string',
        demandOption: true,
        describe: 'A run folder, one of its checkpoints, or student.safetensors',
      })
      .option('best', {
        type: 'boolean',
        default: false,
        describe: 'Of a run, the checkpoint that was measured best (eval.best), not the last weights',
      })
      .option('out', { type: 'string', describe: 'Folder for the file (default: where the weights are)' })
      .option('name', { type: 'string', describe: 'Start of its name (default: that of the run)' }),
  handler: async ({ from, best, out, name, json }) => {
    const origin = best ? await bestOf(from) : await originOf(from);
    const stem = name ?? origin.name;
    if (!/^[\w.-]+$/.test(stem))
      throw new HdError(
        'HD_USAGE',
        `expected letters, digits, '.', '_' and '-' for --name but received '${stem}'`,
      );
    const folder = resolve(out ?? origin.folder);
    outputFolder('out', folder);
    const result = await write(origin, folder, stem);
    print(json, result, () =>
      [
        ...(best ? [`the best checkpoint, after ${count(result.step ?? 0)} steps`] : []),
        `${result.tensors} tensors, ${count(result.numbers)} numbers, ${(result.bytes / 2 ** 20).toFixed(1)} MB, loaded back and found equal`,
        result.path,
        `next: npx hdtrain predict PICTURES --weights ${result.path}`,
      ].join('\n'),
    );
  },
};

/**
 * Bytes depend on weights, model and metrics alone, so that the same training has the same name everywhere.
 *
 * @throws HdError HD_WEIGHTS_…, HD_INTERNAL when what was written is not what is loaded.
 */
async function write(origin: Origin, folder: string, stem: string) {
  const draft = mkdtempSync(join(folder, '.publish-'));
  try {
    const [file, again, check] = ['file', 'again', 'check'].map((part) =>
      join(draft, `${part}.safetensors`),
    ) as [string, string, string];
    const { prefix, metadata } = origin;
    const { tensors } = await native().importWeights(origin.weights, file, metadata, {
      prefix,
      drop: needless,
      dropBelow: learnedBeside,
    });
    const detector = await Detector.load(file).catch((error: unknown) => {
      throw error instanceof HdError
        ? new HdError(error.code, error.message.replaceAll(file, origin.weights), origin.weights, {
            cause: error,
          })
        : error;
    });
    try {
      await detector.session.exportWeights(again, metadata);
    } finally {
      detector.close();
    }
    await native().importWeights(again, check, metadata, { drop: needless });
    const bytes = readFileSync(file);
    if (!bytes.equals(readFileSync(check)))
      throw new HdError(
        'HD_INTERNAL',
        `expected ${origin.weights} to be the same after loading but it is not: report this file`,
      );
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const path = join(folder, `${stem}-${sha256.slice(0, 8)}.safetensors`);
    renameSync(file, path);
    native().fsyncPath(folder);
    const numbers = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    return {
      path,
      sha256,
      step: origin.step,
      bytes: bytes.length,
      tensors: tensors.length,
      numbers,
      metadata,
    };
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** @throws HdError HD_WEIGHTS_MISSING, HD_WEIGHTS_UNDESCRIBED, HD_CKPT_CORRUPT, HD_USAGE */
async function originOf(from: string): Promise<Origin> {
  requireWeights(from);
  const path = resolve(from);
  if (!statSync(path).isDirectory()) return finished(path);
  if (existsSync(join(path, 'state.json'))) return checkpoint(path);
  const student = join(path, 'student.safetensors');
  if (existsSync(student)) return finished(student);
  const unfinished = existsSync(join(path, 'checkpoints', 'latest'));
  throw new HdError(
    'HD_USAGE',
    `expected a finished run, a checkpoint or a weight file but ${path} ${unfinished ? 'has not finished: let it end, or name one of its checkpoints' : 'is none of them'}`,
    path,
  );
}

/**
 * The checkpoint of a run that `checkpoints/best` names.
 *
 * @throws HdError HD_USAGE, HD_RUN_NO_BEST, HD_CKPT_CORRUPT
 */
async function bestOf(from: string): Promise<Origin> {
  requireWeights(from);
  const path = resolve(from);
  if (!existsSync(join(path, 'checkpoints')))
    throw new HdError(
      'HD_USAGE',
      `expected a run folder, which has checkpoints, for publish --best but received ${path}: name the run, or leave --best out`,
      path,
    );
  const best = new RunFolder(path).best();
  if (!best)
    throw new HdError(
      'HD_RUN_NO_BEST',
      `expected a best checkpoint in ${path} but it has none: a run keeps one when data.val is measured and checkpoint.best is true; leave --best out for its last weights, or name one of its checkpoints`,
      path,
    );
  return checkpoint(best.path);
}

/** student.safetensors, which describes itself; the run around it, where there is one, knows more. */
async function finished(weights: string): Promise<Origin> {
  const folder = dirname(weights);
  const { metadata: given } = await native().weightsInfo(weights);
  // The step says which evaluation is that of these weights; it does not name the published file.
  const { step, ...metadata } = given;
  if (metadata.format !== 'hdtrain-student-1')
    throw new HdError(
      'HD_WEIGHTS_UNDESCRIBED',
      `expected weights of a run, which describe their model, but ${weights} do not: publish student.safetensors`,
      weights,
    );
  const own = basename(weights) === 'student.safetensors';
  const recipe = own ? recipeOf(folder) : null;
  return {
    weights,
    prefix: '',
    folder,
    step: null,
    name: own ? basename(folder) : basename(weights, extname(weights)).replace(/-[0-9a-f]{8}$/, ''),
    metadata: {
      ...metadata,
      ...(recipe ? known(folder, recipe, step === undefined ? null : Number(step)) : {}),
    },
  };
}

/** A checkpoint of a run: its EMA weights where it has some, as student.safetensors would. */
async function checkpoint(path: string): Promise<Origin> {
  const folder = dirname(dirname(path));
  const recipe = recipeOf(folder);
  if (!recipe)
    throw new HdError(
      'HD_USAGE',
      `expected ${path} in the checkpoints of a run, whose recipe.yaml says what it is: put it back`,
      path,
    );
  const { state } = readCheckpoint(path);
  const weights = join(path, 'weights.safetensors');
  const { tensors } = await native().weightsInfo(weights);
  return {
    weights,
    prefix: tensors.some(({ name }) => name.startsWith('ema/')) ? 'ema/' : 'model/',
    folder,
    step: state.step,
    name: basename(folder),
    metadata: {
      ...exportMetadata(recipe, state.classes),
      ...known(folder, recipe, state.step),
    },
  };
}

function recipeOf(run: string): Recipe | null {
  const path = join(run, 'recipe.yaml');
  return existsSync(path) ? loadRecipe(path).recipe : null;
}

/** What a run tells of its weights: the digest of its recipe, and how they were measured. */
function known(run: string, recipe: Recipe, step: number | null): Record<string, string> {
  const measured = lastEvaluation(join(run, 'metrics.jsonl'), step);
  const metrics = Object.entries(measured ?? {}).filter(([, value]) => typeof value === 'number');
  return {
    recipe: recipeDigest(recipe),
    ...(measured ? { metrics: JSON.stringify(Object.fromEntries(metrics)) } : {}),
  };
}
