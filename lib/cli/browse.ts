import { join, resolve } from 'node:path';
import { native } from '../native.ts';
import { count } from '../report/format.ts';
import { type BrowsedPicture, browsePage } from '../report/html/browse-page.ts';
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
    const { recipe, name: title } = readRecipe(options);
    const wanted = wholeNumber('count', options.count, 1, 10_000);
    const epoch = wholeNumber('epoch', options.epoch, 0, 1e9);
    const out = resolve(options.out);
    outputFolder('out', out);
    const { trainSet, valSet } = await openData(recipe, showFetching);
    const dataset = options.val ? valSet : trainSet;
    const pictures: BrowsedPicture[] = [];
    if (dataset) {
      const loader = openLoader(recipe, dataset, !options.val, divisor, options.val);
      try {
        loader.begin(options.val ? 0 : epoch, 0);
        while (pictures.length < wanted) {
          const batch = await loader.next();
          if (!batch) break;
          for (let i = 0; i < batch.count && pictures.length < wanted; ++i) {
            const { image, labels } = batch.images[i] as (typeof batch.images)[number];
            const { epoch, step, width, height } = batch;
            const name = `${String(pictures.length).padStart(4, '0')}.jpg`;
            loader.draw(i, join(out, name));
            const file = dataset.image(image).file || `picture ${image}`;
            pictures.push({ name, file, epoch, step, labels: [...labels], size: [width, height] });
          }
        }
      } finally {
        loader.close();
      }
    }
    const index = join(out, 'index.html');
    const { classes } = trainSet;
    const { augment } = recipe.data;
    const { classColour: colourOf } = native();
    const split = options.val ? 'val' : 'train';
    native().writeFile(index, browsePage({ recipe: title, split, pictures, classes, colourOf, augment }));
    const told = pictures.map(({ name, labels, ...rest }) => ({
      out: join(out, name),
      ...rest,
      boxes: labels.length,
    }));
    const result = { folder: out, index, classes: classCount(recipe, trainSet), pictures: told };
    print(options.json, result, () => {
      const boxes = told.reduce((sum, picture) => sum + picture.boxes, 0);
      const empty = told.filter((picture) => picture.boxes === 0).length;
      return [
        `${count(pictures.length)} pictures with ${count(boxes)} boxes (${empty} without any): ${index}`,
        `next: open it in a browser; then 'npx hdtrain --config ${options.config}' trains`,
      ].join('\n');
    });
  },
};
