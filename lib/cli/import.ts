import { existsSync } from 'node:fs';
import { HdError } from '../error.ts';
import { native } from '../native.ts';
import { count } from '../report/format.ts';
import { requireWeights } from '../trainer/start.ts';
import { type CommonOptions, print, type Verb } from './verb.ts';

interface ImportOptions extends CommonOptions {
  from: string;
  to: string;
  force: boolean;
}

export const importWeights: Verb<ImportOptions> = {
  command: 'import <from> <to>',
  describe:
    'Turn foreign weights (.pth of torchvision, mmdet, …) into safetensors; nothing in the file is executed',
  builder: (argv) =>
    argv
      .positional('from', {
        type: 'string',
        demandOption: true,
        describe: 'Weights to read (.pth or .safetensors)',
      })
      .positional('to', { type: 'string', demandOption: true, describe: 'Weights to write (.safetensors)' })
      .option('force', { type: 'boolean', default: false, describe: 'Overwrite' }),
  handler: async ({ from, to, force, json }) => {
    if (!to.endsWith('.safetensors'))
      throw new HdError(
        'HD_USAGE',
        `expected a name ending in .safetensors for the second argument but received '${to}'`,
      );
    requireWeights(from);
    if (existsSync(to) && !force)
      throw new HdError(
        'HD_USAGE_EXISTS',
        `expected a new file but ${to} exists: choose another name or add --force`,
        to,
      );
    const { tensors } = await native().importWeights(from, to, { format: 'hdtrain-import-1' });
    const elements = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    print(json, { from, to, tensors }, () =>
      [
        ...tensors.slice(0, 10).map(({ name, shape, dtype }) => `  ${name}  ${dtype} ${shape.join('×')}`),
        ...(tensors.length > 10 ? [`  … ${tensors.length - 10} more`] : []),
        `${tensors.length} tensors, ${count(elements)} numbers: ${to}`,
        `next: put it into a recipe as model.weights (init: strict, or backbone for a classifier)`,
      ].join('\n'),
    );
  },
};
