import { z } from 'zod';
import { augmentStepSchema, sides } from './augment.ts';
import { autoCount, classNames, filePath, filePathOrAddress, fraction } from './fields.ts';

/** What every format has. */
const common = {
  size: z
    .union([z.int().min(32).max(8192), sides()])
    .default(320)
    .describe(
      'Size of a picture for the network, in pixels: one number for both sides, or [long, short]; the ratio is kept and the rest padded. [width, height] without `keepRatio`. Synthetic pictures are drawn at this size.',
    ),
  keepRatio: z
    .boolean()
    .default(true)
    .describe(
      'Whether pictures keep their ratio in `size`, in training and in evaluation; without, each is stretched to it, and nothing is padded (NanoDet-Plus, the `Resize` of centerX).',
    ),
  seed: z.int().min(0).max(0xffffffff).default(0).describe('Seed of the pictures that `synthetic` draws.'),
  augment: z
    .array(augmentStepSchema)
    .max(32)
    .prefault([{ flip: {} }])
    .describe('What training does to a picture, in this order; boxes, masks and keypoints move along.'),
  repeat: z
    .int()
    .min(1)
    .max(1000)
    .default(1)
    .describe(
      'How often an epoch of training goes through the pictures; each time they are shuffled together and augmented anew.',
    ),
  workers: autoCount(256)
    .default('auto')
    .describe('Threads that read and decode; `auto` is one a processor core.'),
  slots: autoCount(64).default('auto').describe('Batches that are held ready in memory.'),
  cache: z
    .enum(['none', 'ram', 'disk'])
    .default('none')
    .describe(
      'Where decoded pictures of files are kept for the next epoch: in memory, or in a folder that later runs find again. The pixels are the same with and without.',
    ),
  cacheLimit: z
    .number()
    .positive()
    .max(1_000_000)
    .default(4)
    .describe(
      "Most that `cache` keeps of each split, in gigabytes; what does not fit is decoded each time. On disk that is the size of the split's folder, whatever runs filled it.",
    ),
  cacheFolder: filePath()
    .nullable()
    .default(null)
    .describe(
      'Folder of `cache: disk`, with one folder a split; null: `~/.cache/hdtrain/pictures`. Runs may share it.',
    ),
  canvases: z
    .int()
    .min(1)
    .max(12)
    .default(12)
    .describe('At most this many different padded sizes; each keeps prepared weights in memory.'),
  groupByAspect: z
    .boolean()
    .default(true)
    .describe(
      'Whether batches are made of pictures of like aspect, which pads less: in training wide and tall ones apart, in evaluation in the order of their aspect.',
    ),
  onBadSample: z
    .enum(['skip', 'stop'])
    .default('skip')
    .describe(
      'What a picture that cannot be read does: `skip` counts and lists it and goes on, `stop` ends the run.',
    ),
  maxBad: fraction()
    .default(0.001)
    .describe(
      'With `skip`: the largest share of bad pictures before the run stops; a single one is always forgiven.',
    ),
  keepEmpty: z
    .boolean()
    .default(true)
    .describe('Whether training uses pictures without objects; they teach the background.'),
  minSide: z
    .int()
    .min(1)
    .max(8192)
    .default(1)
    .describe('Training leaves out pictures whose shorter side is below this, in pixels.'),
};

/** One place that a split's pictures lie in, and further ones. */
function places<Fields extends z.core.$ZodLooseShape>(fields: Fields) {
  const also = z
    .array(z.strictObject(fields))
    .max(64)
    .default([])
    .describe('Further places of pictures of this split, as VOC 2012 beside 2007; with the same classes.');
  return { ...fields, also };
}

const images = () => filePath().describe('Folder of the pictures.');
const list = () =>
  filePath()
    .nullable()
    .default(null)
    .describe('Text file that names the pictures of this split, one a line; without, all of the folder.');
const names = () => z.union([filePath(), classNames()]);
const namesHelp = 'Class names in label order: a text file, one a line, or a list';

/**
 * One format: the fields of its splits. Fields that validation leaves null it takes from training; those are declared
 * twice, as `training` needs them and as `validation` may leave them out.
 */
function format<
  Name extends string,
  Both extends z.core.$ZodLooseShape,
  Training extends z.core.$ZodLooseShape,
  Validation extends Record<keyof Training, z.core.$ZodType>,
>(name: Name, about: string, both: Both, training: Training, validation: Validation) {
  return z
    .strictObject({
      format: z.literal(name).describe('Format of the data set.'),
      train: z.strictObject({ ...both, ...training }).describe('Pictures to learn from.'),
      val: z
        .strictObject({ ...both, ...validation })
        .nullable()
        .default(null)
        .describe('Pictures to measure on; without, nothing is evaluated.'),
      ...common,
    })
    .describe(about);
}

/** A field of the validation split that is the training split's unless given. */
const asInTraining = <Field extends z.ZodType>(field: Field) =>
  field.nullable().default(null).describe('As in training unless given.');

const coco = format(
  'coco',
  'COCO: one JSON file a split.',
  places({ images: images(), annotations: filePath().describe('JSON file of the annotations.') }),
  {
    classes: classNames()
      .nullable()
      .default(null)
      .describe('Categories to learn, in label order; without, all of the file.'),
  },
  { classes: asInTraining(classNames()) },
);

const lvis = format(
  'lvis',
  'LVIS: one JSON file a split, which says what each picture was searched for; `eval.metric: lvis` heeds it.',
  {
    images: filePath().describe(
      'Folder of the pictures; those of LVIS v1 lie in train2017/ and val2017/ below it.',
    ),
    annotations: filePath().describe('JSON file of the annotations.'),
  },
  {
    classes: classNames()
      .nullable()
      .default(null)
      .describe('Categories to learn, in label order; without, all of the file.'),
  },
  { classes: asInTraining(classNames()) },
);

const offset = () => z.number().min(0).max(1);

const voc = format(
  'voc',
  'Pascal VOC: one XML file a picture.',
  places({ images: images(), annotations: filePath().describe('Folder of the XML files.'), list: list() }),
  {
    classes: names().nullable().default(null).describe(`${namesHelp}; without, those found, sorted.`),
    offset: offset().default(1).describe('Number of the first pixel; VOC counts from 1, many tools from 0.'),
  },
  { classes: asInTraining(names()), offset: asInTraining(offset()) },
);

const yolo = format(
  'yolo',
  'YOLO: one text file a picture, lines of `class x y width height` as shares of the picture.',
  places({ images: images(), labels: filePath().describe('Folder of the text files.'), list: list() }),
  { classes: names().describe(`${namesHelp}.`) },
  { classes: asInTraining(names()) },
);

const shard = () => filePathOrAddress();
const categoryIds = () => z.array(z.int()).min(1).max(10000);

const aboutWebdataset =
  'WebDataset: tar files (shards) that hold pictures, and beside each a JSON file with its boxes.';

const webdataset = format(
  'webdataset',
  aboutWebdataset,
  {
    shards: z
      .union([shard(), z.array(shard()).min(1).max(100_000)])
      .describe(
        'Tar files: one or a list, each a path, an http(s) address, or several of them as in `train-{000..012}.tar`.',
      ),
  },
  {
    classes: names().nullable().default(null).describe(`${namesHelp}; without, those found, sorted.`),
    categoryIds: categoryIds()
      .nullable()
      .default(null)
      .describe('The numbers that stand for `classes` in the samples; without, these count from 0.'),
  },
  { classes: asInTraining(names()), categoryIds: asInTraining(categoryIds()) },
)
  .extend({
    shardCache: z
      .strictObject({
        folder: filePath()
          .nullable()
          .default(null)
          .describe('Where; null: `~/.cache/hdtrain/shards`. Runs may share it.'),
        limit: z.number().positive().default(100).describe('Largest size of the folder in gigabytes.'),
      })
      .prefault({})
      .describe('Keeps the shards that come from an address: each is fetched once, before the run starts.'),
  })
  .describe(aboutWebdataset);

const synthetic = format(
  'synthetic',
  'Scenes of shapes that are drawn on the fly; the same for the same seed.',
  { count: z.int().min(1).max(10_000_000).describe('How many pictures.') },
  {},
  {},
);

const source = format(
  'source',
  'Pictures that the program hands to `Trainer`; not for the command line.',
  {},
  {
    classes: classNames()
      .nullable()
      .default(null)
      .describe('Class names in label order; without, those of the source.'),
  },
  { classes: asInTraining(classNames()) },
);

/** The pictures, discriminated by `format`. A new format is one more member. */
export const dataSchema = z
  .discriminatedUnion('format', [coco, lvis, voc, yolo, webdataset, synthetic, source])
  .describe('The pictures: where they are and what happens to them. The only section without a default.');

export type DataSection = z.output<typeof dataSchema>;
export type DataFormat = DataSection['format'];
