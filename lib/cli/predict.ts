import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { Detector } from '../detector.ts';
import { HdError } from '../error.ts';
import { native } from '../native.ts';
import { loadRecipe } from '../recipe/index.ts';
import { visible } from '../trainer/pictures.ts';
import {
  type CommonOptions,
  flipOption,
  outputFolder,
  print,
  setOption,
  type Verb,
  warn,
  withMachine,
} from './verb.ts';

interface PredictOptions extends CommonOptions {
  paths: string[];
  weights: string;
  config?: string | undefined;
  set: string[];
  out?: string | undefined;
  score: number;
  pictures: boolean;
  flip?: boolean | undefined;
  threads?: number | undefined;
}

export const predict: Verb<PredictOptions> = {
  command: 'predict <paths..>',
  describe: 'Detect objects in pictures: JSON, and pictures with boxes',
  builder: (argv) =>
    withMachine(argv)
      .positional('paths', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'Picture files or folders of pictures',
      })
      .option('weights', { type: 'string', demandOption: true, describe: 'student.safetensors of a run' })
      .option('config', { type: 'string', describe: 'Recipe, for weights that do not describe themselves' })
      .option('set', setOption('Override one field of the recipe'))
      .option('out', { type: 'string', describe: 'Folder for predictions.json and the drawn pictures' })
      .option('score', { type: 'number', default: 0.3, describe: 'Smallest score, 0–1' })
      .option('flip', flipOption)
      .option('pictures', { type: 'boolean', default: true, describe: 'Draw pictures (with --out)' }),
  handler: async (options) => {
    if (!(options.score >= 0 && options.score <= 1))
      throw new HdError(
        'HD_USAGE',
        `expected a number from 0 to 1 for --score but received ${options.score}`,
      );
    const files = options.paths.flatMap(picturesIn);
    if (files.length === 0)
      throw new HdError(
        'HD_DATA_EMPTY',
        `expected pictures (.jpg, .png, .webp, .avif, .tif, .gif, .bmp) in ${options.paths.join(', ')} but found none`,
      );
    if (options.out !== undefined) outputFolder('out', options.out);
    const recipe = options.config ? loadRecipe(options.config, { set: options.set }).recipe : undefined;
    const { threads, flip, score } = options;
    const detector = await Detector.load(options.weights, { recipe, threads, flip, score, warn });
    const { dataset, evaluator, detections, failed } = await detector.detectFiles(files);
    const results = files.map((file, i) => ({
      file,
      detections: (detections[i] ?? []).filter(({ score }) => score >= options.score),
    }));
    if (options.out !== undefined) {
      native().writeFile(join(options.out, 'predictions.json'), `${JSON.stringify(results, null, 1)}\n`);
      if (options.pictures) {
        const unreadable = new Set(failed.map(({ file }) => file));
        for (const [image, file] of files.entries()) {
          if (unreadable.has(file)) continue;
          const found = visible(evaluator.detections(image), options.score);
          const out = join(
            options.out,
            `${String(image).padStart(4, '0')}-${basename(file, extname(file))}.jpg`,
          );
          await native().draw({ dataset, image, out, sets: [{ ...found, colour: '', title: 'predicted' }] });
        }
      }
    }
    for (const { file, message } of failed) process.stderr.write(`skipped ${file}: ${message}\n`);
    print(options.json, results, () => {
      const lines = results.map(
        ({ file, detections: found }) => `${file}: ${found.length === 0 ? 'nothing' : summary(found)}`,
      );
      return [
        ...lines,
        options.out
          ? `written to ${resolve(options.out)}`
          : 'next: add --out DIR for JSON and drawn pictures',
      ].join('\n');
    });
    detector.close();
  },
};

/** The picture files that a path stands for: itself, or all in the folder. @throws HdError HD_DATA_MISSING */
export function picturesIn(path: string): string[] {
  if (!existsSync(path))
    throw new HdError('HD_DATA_MISSING', `expected a picture or folder but ${path} does not exist`, path);
  if (!statSync(path).isDirectory()) return [resolve(path)];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(jpe?g|png|webp|avif|tiff?|gif|bmp)$/i.test(name))
    .sort()
    .map((name) => resolve(path, name));
}

/** "3 RBC, 1 WBC": most frequent first. */
function summary(found: { class: string }[]): string {
  const counts = new Map<string, number>();
  for (const { class: name } of found) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([name, number]) => `${number} ${name}`)
    .join(', ');
}
