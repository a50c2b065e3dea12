import { Detector } from '../detector.ts';
import { ExitCode } from '../error.ts';
import { bestScore, confusionTable, errorTable, sizeTable } from '../report/diagnosis.ts';
import { clock } from '../report/format.ts';
import { classTable } from '../report/tables.ts';
import { drawPictures } from '../trainer/pictures.ts';
import { classNames, openMeasured } from '../trainer/setup.ts';
import {
  flipOption,
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

interface EvalOptions extends RecipeOptions {
  weights: string;
  split: string;
  out?: string | undefined;
  pictures?: string | undefined;
  flip?: boolean | undefined;
  threads?: number | undefined;
}

export const evaluate: Verb<EvalOptions> = {
  command: 'eval',
  describe: 'Measure weights on the data of a recipe',
  builder: (argv) =>
    withMachine(withRecipe(argv))
      .option('weights', {
        type: 'string',
        demandOption: true,
        describe: 'student.safetensors, or foreign weights of the same model',
      })
      .option('split', {
        type: 'string',
        choices: ['val', 'train'],
        default: 'val',
        describe: 'Which pictures',
      })
      .option('flip', flipOption)
      .option('out', { type: 'string', describe: 'Write the detections as a COCO result file' })
      .option('pictures', { type: 'string', describe: 'Draw truth and predictions into this folder' }),
  handler: async (options) => {
    const { recipe } = readRecipe({ ...options, set: [...options.set, ...machineOverrides(options)] });
    if (options.pictures !== undefined) outputFolder('pictures', options.pictures);
    const { trainSet, dataset } = await openMeasured(recipe, options.split, showFetching);
    const classes = classNames(recipe, trainSet);
    recipe.model.classes = classes.length;
    const detector = await Detector.load(options.weights, { recipe, classes, flip: options.flip, warn });
    const live = process.stderr.isTTY && !options.json;
    const { metrics, evaluator, seconds, failed } = await detector.evaluate(dataset, (done) => {
      if (live) process.stderr.write(`\r\x1b[Kevaluating ${done}/${dataset.length}`);
    });
    if (live) process.stderr.write('\r\x1b[K');
    for (const { file, message } of failed) process.stderr.write(`skipped ${file}: ${message}\n`);
    if (options.out) await evaluator.writeResults(options.out);
    const pictures = options.pictures
      ? await drawPictures(dataset, evaluator, options.pictures, recipe.eval.pictures)
      : [];
    const diagnosis = await evaluator.diagnose({});
    const result = { eval: metrics, diagnosis, images: dataset.length, failed, seconds, pictures };
    print(options.json, result, () => {
      const { perClass, ...numbers } = metrics;
      const lines = Object.entries(numbers).flatMap(([name, value]) =>
        typeof value === 'number'
          ? [
              `${name.padEnd(12)} ${Number.isInteger(value) && value !== -1 ? value : value === -1 ? '–' : value.toFixed(4)}`,
            ]
          : [],
      );
      return [
        classTable((perClass ?? []) as Record<string, unknown>[], diagnosis.curves),
        '',
        ...lines,
        '',
        errorTable(diagnosis),
        ...[confusionTable(diagnosis, trainSet.classes), sizeTable(diagnosis), bestScore(diagnosis)].flatMap(
          (text) => (text ? ['', text] : []),
        ),
        '',
        `${dataset.length} pictures in ${clock(seconds)}`,
        ...(failed.length > 0
          ? [
              `${failed.length} of them could not be read: their objects count as missed (hdtrain check lists all)`,
            ]
          : []),
        ...(options.out
          ? [`next: npx hdtrain score --gt TRUTH.json --dt ${options.out}`]
          : ['next: add --pictures DIR to see them, --out FILE to keep the detections']),
      ].join('\n');
    });
    detector.close();
    process.exitCode = ExitCode.done;
  },
};
