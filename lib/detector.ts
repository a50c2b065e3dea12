/** A trained detector ready to use: what `predict`, `eval` and programs load. */
import { HdError } from './error.ts';
import {
  type BadSample,
  type MatchReport,
  type NativeDataset,
  type NativeEvaluator,
  type NativeSession,
  native,
} from './native.ts';
import { type Recipe, type RecipeInput, resolveRecipe } from './recipe/index.ts';
import { type EvaluationResult, evaluatePass } from './trainer/evaluate.ts';
import { Faults } from './trainer/faults.ts';
import { openLoader, sessionOptions } from './trainer/setup.ts';
import { requireWeights } from './trainer/start.ts';

export interface DetectorOptions {
  /** The recipe of the model; needed only for weights that do not describe themselves (foreign ones). */
  recipe?: Recipe;
  /** Names in the order of the labels. Default: of the recipe or the weights. */
  classes?: string[];
  /** Processor threads. Default: `train.threads`. */
  threads?: number;
  /** `eval.flip`: look at each picture and at its mirror image. Default: as the recipe or the weights say. */
  flip?: boolean;
  /** Detections down to this score, 0–1, are given also where `eval.scoreThreshold` is higher. */
  score?: number;
  /** Told of trouble that detection gets over. Default: process.emitWarning. */
  warn?: (message: string) => void;
}

export interface Detection {
  /** x1, y1, x2, y2 in pixels of the file. */
  box: [number, number, number, number];
  /** 0–1: the probability of the class, times centerness where the head has one. */
  score: number;
  /** 0-based position in {@link Detector.classes}. */
  label: number;
  /** The name of `label`. */
  class: string;
}

export class Detector {
  private constructor(
    readonly recipe: Recipe,
    readonly classes: string[],
    /** How the file's tensors met the model's. */
    readonly report: MatchReport,
    readonly session: NativeSession,
    readonly warn: (message: string) => void,
  ) {}

  /** @throws HdError HD_WEIGHTS_… when the file does not fit the model. */
  static async load(weights: string, options: DetectorOptions = {}): Promise<Detector> {
    requireWeights(weights);
    const { recipe: given, classes } = options.recipe
      ? { recipe: options.recipe, classes: options.classes ?? namesOf(options.recipe) }
      : renamed(await describe(weights), options.classes);
    const threads = checkThreads(options.threads) ?? given.train.threads;
    const { flip = given.eval.flip, score = 1 } = options;
    const scoreThreshold = Math.min(score, given.eval.scoreThreshold);
    const recipe = {
      ...given,
      train: { ...given.train, threads },
      eval: { ...given.eval, flip, scoreThreshold },
    };
    const session = await native().createSession(sessionOptions(recipe, classes.length, false));
    try {
      const report = await session.loadWeights(weights, 'strict');
      const { warn = (message: string) => process.emitWarning(message) } = options;
      return new Detector(recipe, classes, report, session, warn);
    } catch (error) {
      session.close();
      throw error;
    }
  }

  /** Scores a data set with truth; pictures that cannot be read are in `failed`, their objects count as missed. */
  evaluate(dataset: NativeDataset, progress?: (done: number) => void): Promise<EvaluationResult> {
    return this.#pass(dataset, progress);
  }

  /** Detections of picture files, in their order. Files that cannot be read are in `failed`. */
  async detectFiles(
    files: readonly string[],
    progress?: (done: number) => void,
  ): Promise<{
    dataset: NativeDataset;
    evaluator: NativeEvaluator;
    detections: Detection[][];
    failed: BadSample[];
  }> {
    const dataset = await native().openDataset({ format: 'files', files: [...files], classes: this.classes });
    // Files that somebody names one by one or by folder: each stands for itself, however many are damaged.
    const data = { ...this.recipe.data, onBadSample: 'skip' as const, maxBad: 1 };
    const { evaluator, failed } = await this.#pass(dataset, progress, { ...this.recipe, data });
    const detections = files.map((_, image) => {
      const { boxes, scores, labels } = evaluator.detections(image);
      return Array.from(scores, (score, i): Detection => {
        const label = labels[i] ?? 0;
        const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = boxes.subarray(4 * i, 4 * i + 4);
        return { box: [x1, y1, x2, y2], score, label, class: this.classes[label] ?? String(label) };
      });
    });
    return { dataset, evaluator, detections, failed };
  }

  async #pass(
    dataset: NativeDataset,
    progress?: (done: number) => void,
    recipe = this.recipe,
  ): Promise<EvaluationResult> {
    const loader = openLoader(recipe, dataset, false, this.session.divisor);
    const faults = new Faults(recipe.debug.fault);
    try {
      return await evaluatePass(recipe, this.session, dataset, loader, {
        progress,
        warn: this.warn,
        fault: () => faults.pretended('evaluate', 0),
      });
    } finally {
      loader.close();
    }
  }

  close(): void {
    this.session.close();
  }
}

/** The native side trusts what it is given. */
function checkThreads(threads: number | undefined): number | undefined {
  if (threads === undefined || (Number.isInteger(threads) && threads >= 1 && threads <= 1024)) return threads;
  throw new HdError('HD_USAGE', `expected an integer from 1 to 1024 for threads but received ${threads}`);
}

/** The same with names of the caller. */
function renamed<Described extends { classes: string[] }>(
  described: Described,
  classes?: string[],
): Described {
  const { length } = described.classes;
  if (classes === undefined) return described;
  if (classes.length === length) return { ...described, classes };
  throw new HdError(
    'HD_USAGE',
    `expected ${length} names for classes, as the weights have, but received ${classes.length}`,
  );
}

function namesOf(recipe: Recipe): string[] {
  const { classes } = recipe.model;
  if (Array.isArray(classes)) return classes;
  if (typeof classes === 'number') return Array.from({ length: classes }, (_, i) => String(i));
  throw new HdError(
    'HD_USAGE',
    "expected the classes of the weights: name them in model.classes of the recipe ('auto' needs a data set)",
  );
}

/** The recipe that student weights carry in their metadata. */
async function describe(weights: string): Promise<{ recipe: Recipe; classes: string[] }> {
  const { metadata } = await native().weightsInfo(weights);
  if (metadata.format !== 'hdtrain-student-1' || !metadata.model || !metadata.size || !metadata.eval) {
    throw new HdError(
      'HD_WEIGHTS_UNDESCRIBED',
      `expected weights that describe their model (student.safetensors of a run) but ${weights} do not: give their recipe with --config`,
      weights,
    );
  }
  try {
    const { classes, ...model } = JSON.parse(metadata.model) as RecipeInput['model'] & { classes: string[] };
    if (!Array.isArray(classes)) throw new Error('the classes have no names');
    const input = {
      model: { ...model, classes },
      data: {
        format: 'source',
        train: {},
        size: JSON.parse(metadata.size),
        keepRatio: metadata.keepRatio !== 'false',
      },
      // How it was measured may want data that is not here.
      eval: { ...JSON.parse(metadata.eval), metric: 'coco', best: 'ap', interpolation: undefined },
    } as RecipeInput;
    return { recipe: resolveRecipe(input).recipe, classes };
  } catch (error) {
    throw new HdError(
      'HD_WEIGHTS_UNDESCRIBED',
      `expected weights whose description of their model can be read but those of ${weights} say: ${(error as Error).message}; give their recipe with --config`,
      weights,
      { cause: error },
    );
  }
}
