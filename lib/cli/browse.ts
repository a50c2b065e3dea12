import { join, resolve } from 'node:path';
import { count } from '../report/format.ts';
import { classCount, openData, openLoader } from '../trainer/setup.ts';
import {
  outputFolder,
  print,
  type RecipeOptions,
  readRecipe,
  showFetching,
  type Verb,
  wholeNumber,
  withRecipe,
} from './verb.ts';

interface BrowseOptions extends RecipeOptions {
  out: string;
  count: number;
  epoch: number;
  val: boolean;
}

/** Canvases are padded to a multiple of this; the largest stride of the detectors there are. */
const divisor = 32;

export const browse: Verb<BrowseOptions> = {
  command: 'browse',
  describe: 'Draw the batches that training would see, after augmentation, with their boxes',
  builder: (argv) =>
    withRecipe(argv)
      .option('out', { type: 'string', default: 'browse', describe: 'Folder for the pictures' })
      .option('count', { type: 'number', default: 16, describe: 'How many pictures' })
      .option('epoch', { type: 'number', default: 0, describe: 'Epoch whose draws are shown, from 0' })
      .option('val', { type: 'boolean', default: false, describe: 'Show data.val, which is not augmented' })
      .example('$0 browse --config r.yaml', 'see what the network will see, before any training'),
  handler: async (options) => {
    const { recipe } = readRecipe(options);
    const wanted = wholeNumber('count', options.count, 1, 10_000);
    const epoch = wholeNumber('epoch', options.epoch, 0, 1e9);
    const out = resolve(options.out);
    outputFolder('out', out);
    const { trainSet, valSet } = await openData(recipe, showFetching);
    const dataset = options.val ? valSet : trainSet;
    const pictures: { out: string; file: string; boxes: number; size: [number, number] }[] = [];
    if (dataset) {
      const loader = openLoader(recipe, dataset, !options.val, divisor);
      try {
        loader.begin(options.val ? 0 : epoch, 0);
        while (pictures.length < wanted) {
          const batch = await loader.next();
          if (!batch) break;
          for (let i = 0; i < batch.count && pictures.length < wanted; ++i) {
            const { image, boxes } = batch.images[i] as (typeof batch.images)[number];
            const path = join(out, `${String(pictures.length).padStart(4, '0')}.jpg`);
            loader.draw(i, path);
            const file = dataset.image(image).file || `picture ${image}`;
            pictures.push({ out: path, file, boxes: boxes.length / 4, size: [batch.width, batch.height] });
          }
        }
      } finally {
        loader.close();
      }
    }
    const result = { folder: out, classes: classCount(recipe, trainSet), pictures };
    print(options.json, result, () => {
      const boxes = pictures.reduce((sum, picture) => sum + picture.boxes, 0);
      const empty = pictures.filter((picture) => picture.boxes === 0).length;
      return [
        `${count(pictures.length)} pictures with ${count(boxes)} boxes (${empty} without any): ${out}`,
        `next: look at them; then 'npx hdtrain --config ${options.config}' trains`,
      ].join('\n');
    });
  },
};
