import { z } from 'zod';
import { filePath, fraction } from './fields.ts';
import { modelFields } from './model.ts';

const teacherFields = Object.fromEntries(
  Object.entries(modelFields)
    .filter(([name]) => !['weights', 'init', 'frozenStages'].includes(name))
    .map(([name, field]) => [
      name,
      (field as z.ZodDefault<z.ZodType>)
        .unwrap()
        .nullable()
        .default(null)
        .describe(`As model.${name}; null: what the file says of itself.`),
    ]),
) as {
  [K in Exclude<keyof typeof modelFields, 'weights' | 'init' | 'frozenStages'>]: z.ZodDefault<
    z.ZodNullable<z.ZodType>
  >;
};

/** Frozen detectors that the student learns from. */
export const teachersSchema = z
  .array(
    z.strictObject({
      weights: filePath().describe(
        'Weights: student.safetensors of a run, which describes itself, or foreign ones (.pth, .safetensors) with the fields below.',
      ),
      ...teacherFields,
      classMap: z
        .record(z.string(), z.string())
        .nullable()
        .default(null)
        .describe(
          "The teacher's name of each class of the student, where names differ. Without, classes are matched by name, or by number when a side has none.",
        ),
      precision: z
        .enum(['auto', 'fp32', 'bf16'])
        .default('auto')
        .describe('Arithmetic of the teacher; `auto` as in train.precision.'),
      cache: z
        .strictObject({
          folder: filePath()
            .nullable()
            .default(null)
            .describe('Where; null: `~/.cache/hdtrain/teachers`. Runs may share it.'),
          limit: z.number().positive().default(20).describe('Largest size of the folder in gigabytes.'),
        })
        .nullable()
        .default(null)
        .describe(
          'Keeps on disk what it said of each picture, so that it runs once and not in every epoch. Only pictures that come again with the same pixels are found: augment with flips at most.',
        ),
      verify: z
        .strictObject({
          images: z
            .int()
            .min(1)
            .default(200)
            .describe('Validation pictures that it detects, the first ones.'),
          minAp: fraction()
            .nullable()
            .default(null)
            .describe('Smallest AP that is accepted; a teacher below it stops the run. Null: only told.'),
        })
        .nullable()
        .default(null)
        .describe(
          "Measures the teacher on the student's own validation pictures before the first step: what a wrong size, colour order or class list does to it is seen at once.",
        ),
    }),
  )
  .max(16)
  .default([])
  .describe('Frozen detectors that the student learns from; they see the same batches.');

const region = () =>
  z
    .enum(['main', 'valuable'])
    .default('main')
    .describe(
      'Where: `main` at assigned anchors, `valuable` at those near an object that were not good enough.',
    );

const shared = {
  teacher: z.int().min(0).max(15).default(0).describe('Which of `teachers`, counted from 0.'),
  name: z
    .string()
    .regex(/^[a-z][a-z0-9_]*$/i)
    .nullable()
    .default(null)
    .describe('Name of the loss term in logs; without, the transfer and its region.'),
  preset: z
    .enum(['released', 'paper', 'robust'])
    .default('robust')
    .describe(
      'Which behaviour where code and paper differ: `released` the code (sums that grow with the images of a micro-batch; the valuable region by overlap over anchor area, weighted by IoU, positives kept), `paper` its text (true DIoU, a mask), `robust` as paper, without positives.',
    ),
};

const regionFields = {
  region: region(),
  overlap: z
    .enum(['distance', 'released'])
    .nullable()
    .default(null)
    .describe('Valuable region: the overlap that selects it; null: by `preset`.'),
  weights: z
    .enum(['overlap', 'mask', 'confidence'])
    .nullable()
    .default(null)
    .describe(
      "Valuable region: rows count by their best IoU, all alike, or by the student's highest class score; null: by `preset`.",
    ),
  positives: z
    .boolean()
    .nullable()
    .default(null)
    .describe('Valuable region: keep assigned anchors in it; null: by `preset`.'),
  gamma: fraction()
    .default(0.25)
    .describe('Valuable region: its lower bound as a share of the threshold that makes an anchor positive.'),
};

/** Without: what was published for the transfer (`describe` says it). */
const lossWeight = (describe: string) => z.number().min(0).nullable().default(null).describe(describe);

const localization = z.strictObject({
  transfer: z.literal('localization').describe('The distributions of the box sides (LD).'),
  ...shared,
  ...regionFields,
  weight: lossWeight(
    'Loss weight; without, as published for the detector (GFL 0.25), times the images of a GPU (GFL 3, others 2) except in preset `released`.',
  ),
  sides: z
    .enum(['separate', 'together'])
    .nullable()
    .default(null)
    .describe(
      'One distribution a box side, or one over the bins of all four, as released for RetinaNet; null: by `preset`.',
    ),
  temperature: z.number().positive().max(1000).default(10).describe('Softening of both sides.'),
});

const classification = z.strictObject({
  transfer: z.literal('classification').describe('The class logits (KD).'),
  ...shared,
  ...regionFields,
  kind: z
    .enum(['softmax', 'binary'])
    .default('softmax')
    .describe(
      '`softmax` over classes, as published; `binary` one distribution a class, which also works for one class.',
    ),
  weight: lossWeight(
    'Loss weight; without, 10 as published for 80 classes, in proportion to the number of classes (the term is a mean over them) except in preset `released`.',
  ),
  temperature: z.number().positive().max(1000).default(2).describe('Softening of both sides.'),
});

const imitation = z.strictObject({
  transfer: z.literal('imitation').describe('The features of the pyramid.'),
  ...shared,
  kind: z
    .enum(['fitnets', 'inside-box', 'finegrained', 'decouple', 'gibox'])
    .default('gibox')
    .describe(
      'Where: `fitnets` everywhere, `inside-box` inside objects, `finegrained` at anchors nearly as good as the best of an object, `decouple` inside objects and, apart, outside them, `gibox` where student and teacher disagree most.',
    ),
  weight: lossWeight('Loss weight; without, 2 as published.'),
});

/** What is transferred: any mix. A new transfer is one more member. */
export const distillSchema = z
  .array(z.discriminatedUnion('transfer', [localization, classification, imitation]))
  .max(32)
  .default([])
  .describe('What the student learns from its teachers; each entry is one loss term.');

export type TeacherSection = z.output<typeof teachersSchema>[number];
export type TransferSection = z.output<typeof distillSchema>[number];

/** What is to be said of a transfer to a student of one class; null: nothing. */
export function remarkOnOneClass(entry: TransferSection): string | null {
  return entry.transfer === 'classification' && entry.kind === 'softmax'
    ? "a softmax over one class teaches nothing: choose 'binary'"
    : null;
}

/** The name of a transfer's loss term: its own, or made from what it does. */
export function termName(entry: { name: string | null; transfer: string; region?: string }): string {
  if (entry.name) return entry.name;
  const short: Record<string, string> = { localization: 'ld', classification: 'kd' };
  const name = short[entry.transfer] ?? entry.transfer;
  return entry.region === 'valuable' ? `${name}_valuable` : name;
}
