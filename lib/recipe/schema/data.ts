import { z } from 'zod';
import { augmentStepSchema, longShort } from './augment.ts';
import { autoCount, classNames, filePath, fraction } from './fields.ts';

/** What every format has. */
const common = {
  size: z
    .union([z.int().min(32).max(8192), longShort()])
    .default(320)
    .describe(
      'Size of a picture for the network, in pixels: one number for both sides, or [long, short]; the ratio is kept and the rest padded. Synthetic pictures are drawn at this size.',
    ),
  seed: z.int().min(0).max(0xffffffff).default(0).describe('Seed of the pictures that `synthetic` draws.'),
  augment: z
    .array(augmentStepSchema)
    .max(32)
    .default([{ flip: { probability: 0.5 } }])
    .describe('What training does to a picture, in this order; boxes, masks and keypoints move along.'),
  workers: autoCount(256).default('auto').describe('Threads that read and decode; `auto` is one a processor core.'),
  slots: autoCount(64).default('auto').describe('Batches that are held ready in memory.'),
  canvases: z
    .int()
    .min(1)
    .max(12)
    .default(12)
    .describe('At most this many different padded sizes; each keeps prepared weights in memory.'),
  groupByAspect: z
    .boolean()
    .default(true)
    .describe('Whether wide and tall pictures are kept in separate batches, which pads less.'),
  onBadSample: z
    .enum(['skip', 'stop'])
    .default('skip')
    .describe('What a picture that cannot be read does: `skip` counts and lists it and goes on, `stop` ends the run.'),
  maxBad: fraction()
    .default(0.001)
    .describe('With `skip`: the largest share of bad pictures before the run stops; a single one is always forgiven.'),
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

const images = () => filePath().describe('Folder of the pictures.');
const list = () =>
  filePath()
    .nullable()
    .default(null)
    .describe('Text file that names the pictures of this split, one a line; without, all of the folder.');

/** One format: the fields of a split, used for training and for validation alike. */
function format<Name extends string, Split extends z.core.$ZodLooseShape>(name: Name, about: string, split: Split) {
  return z
    .strictObject({
      format: z.literal(name).describe('Format of the data set.'),
      train: z.strictObject(split).describe('Pictures to learn from.'),
      val: z
        .strictObject(split)
        .nullable()
        .default(null)
        .describe('Pictures to measure on; without, nothing is evaluated.'),
      ...common,
    })
    .describe(about);
}

const coco = format('coco', 'COCO: one JSON file a split.', {
  images: images(),
  annotations: filePath().describe('JSON file of the annotations.'),
});

const voc = format('voc', 'Pascal VOC: one XML file a picture.', {
  images: images(),
  annotations: filePath().describe('Folder of the XML files.'),
  list: list(),
  classes: z
    .union([filePath(), classNames()])
    .nullable()
    .default(null)
    .describe('Class names in label order: a text file, one a line, or a list; without, those found, sorted. Validation takes those of training.'),
});

const yolo = format('yolo', 'YOLO: one text file a picture, lines of `class x y width height` as shares of the picture.', {
  images: images(),
  labels: filePath().describe('Folder of the text files.'),
  list: list(),
  classes: z
    .union([filePath(), classNames()])
    .nullable()
    .default(null)
    .describe('Class names in label order: a text file, one a line, or a list; without, numbers. Validation takes those of training.'),
});

const synthetic = format('synthetic', 'Scenes of shapes that are drawn on the fly; the same for the same seed.', {
  count: z.int().min(1).max(10_000_000).describe('How many pictures.'),
});

const source = format('source', 'Pictures that the program hands to `Trainer`; not for the command line.', {
  classes: classNames().nullable().default(null).describe('Class names in label order. Validation takes those of training.'),
});

/** The pictures, discriminated by `format`. A new format is one more member. */
export const dataSchema = z
  .discriminatedUnion('format', [coco, voc, yolo, synthetic, source])
  .describe('The pictures: where they are and what happens to them. The only section without a default.');

export type DataSection = z.output<typeof dataSchema>;
export type DataFormat = DataSection['format'];
