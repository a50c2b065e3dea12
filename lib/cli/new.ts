import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { HdError } from '../error.ts';
import { native } from '../native.ts';
import { type DetectedData, writeRecipeFor } from '../recipe/index.ts';
import { type CommonOptions, print, type Verb } from './verb.ts';

interface NewOptions extends CommonOptions {
  data: string;
  out?: string | undefined;
  force: boolean;
}

export const newRecipe: Verb<NewOptions> = {
  command: 'new <data>',
  describe: 'Look at a data set and write a commented recipe for it',
  builder: (argv) =>
    argv
      .positional('data', {
        type: 'string',
        demandOption: true,
        describe: 'Folder of a COCO, LVIS, Pascal VOC or YOLO data set, or of tar shards',
      })
      .option('out', { type: 'string', describe: 'Recipe to write (default: <folder name>.yaml)' })
      .option('force', { type: 'boolean', default: false, describe: 'Overwrite the recipe' }),
  handler: async (options) => {
    const folder = resolve(options.data);
    const out = resolve(options.out ?? `${basename(folder)}.yaml`);
    if (existsSync(out) && !options.force)
      throw new HdError(
        'HD_USAGE_EXISTS',
        `expected a new file for --out but ${out} exists: choose another name or add --force`,
        out,
      );
    const detected = (await native().detectDataset({ folder })) as unknown as DetectedData & {
      warnings?: string[];
    };
    native().writeFile(out, writeRecipeFor(detected, { folder: dirname(out) }));
    print(options.json, { recipe: out, ...detected }, () =>
      [
        `${detected.format}: ${detected.images.train} pictures to learn from, ${detected.images.val ?? 0} to measure on; classes ${detected.classes.join(', ')}`,
        ...(detected.warnings ?? []).map((warning) => `warning: ${warning}`),
        `written: ${out}`,
        `next: npx hdtrain check --config ${out}, then npx hdtrain --config ${out}`,
      ].join('\n'),
    );
  },
};
