import { HdError } from '../error.ts';
import { native } from '../native.ts';
import { count } from '../report/format.ts';
import { table } from '../report/tables.ts';
import { classCount, openSplit, sessionOptions } from '../trainer/setup.ts';
import {
  print,
  type RecipeOptions,
  readRecipe,
  showFetching,
  type Verb,
  wholeNumber,
  withRecipe,
} from './verb.ts';

interface InspectOptions extends RecipeOptions {
  size?: number[] | undefined;
  parameters: boolean;
}

export const inspect: Verb<InspectOptions> = {
  command: 'inspect',
  describe: 'Show a model: parameters, multiply-adds, taps',
  builder: (argv) =>
    withRecipe(argv)
      .option('size', {
        type: 'number',
        array: true,
        describe: 'Canvas height and width (default: data.size)',
      })
      .option('parameters', { type: 'boolean', default: false, describe: 'List every tensor' }),
  handler: async (options) => {
    const { recipe } = readRecipe(options);
    const { size } = options;
    if (size && size.length > 2)
      throw new HdError('HD_USAGE', `expected height and width for --size but received ${size.join(' ')}`);
    for (const side of size ?? []) wholeNumber('size', side, 1, 4096);
    const { classes } = recipe.model;
    const number =
      typeof classes === 'number'
        ? classes
        : Array.isArray(classes)
          ? classes.length
          : await classesOfData(recipe);
    // Groups may be of what transfers learn, which is not there without their teachers.
    const session = await native().createSession({ ...sessionOptions(recipe, number, true), groups: [] });
    const [height, width] = canvas(size, recipe.data.size, session.divisor);
    const parameters = session.parameterInfo;
    const { taps, multiplyAdds } = await session.describe(height, width);
    session.close();
    const elements = (shape: number[]) => shape.reduce((product, side) => product * side, 1);
    const sum = (list: typeof parameters) => list.reduce((total, { shape }) => total + elements(shape), 0);
    const learned = parameters.filter(({ buffer }) => !buffer);
    const result = {
      classes: number,
      canvas: [height, width],
      parameters: sum(learned),
      trainable: sum(learned.filter(({ trainable }) => trainable)),
      multiplyAdds,
      taps,
      tensors: parameters.map((p) => ({ ...p, count: elements(p.shape) })),
    };
    print(options.json, result, () =>
      [
        `${recipe.model.detector} on ${recipe.model.backbone}, ${number} classes, canvas ${width}×${height}`,
        `${count(result.parameters)} parameters (${count(result.trainable)} learn), ${(multiplyAdds / 1e9).toFixed(2)} G multiply-adds a picture`,
        '',
        table(
          ['tap', 'shape', 'stride', 'what it is'],
          taps.map((tap) => [tap.name, tap.shape.join('×'), tap.stride, tap.describes]),
        ),
        ...(options.parameters
          ? [
              '',
              table(
                ['tensor', 'shape', 'count', 'learns'],
                result.tensors.map((t) => [
                  t.name,
                  t.shape.join('×'),
                  t.count,
                  t.buffer ? 'buffer' : t.trainable ? 'yes' : 'no',
                ]),
              ),
            ]
          : ['', 'next: add --parameters for every tensor']),
      ].join('\n'),
    );
  },
};

async function classesOfData(recipe: Parameters<typeof openSplit>[0]): Promise<number> {
  const dataset = await openSplit(recipe, 'train', showFetching);
  return dataset ? classCount(recipe, dataset) : 1;
}

function canvas(
  given: number[] | undefined,
  size: number | [number, number] | number[],
  divisor: number,
): [number, number] {
  const up = (side: number) => Math.ceil(side / divisor) * divisor;
  const long = Array.isArray(size) ? (size[0] ?? 320) : size;
  const short = Array.isArray(size) ? (size[1] ?? long) : size;
  return [up(given?.[0] ?? short), up(given?.[1] ?? given?.[0] ?? long)];
}
