/** The steps of the augmentation pipeline. A step is a map with one key, its name; a new step is one more key here. */
import { z } from 'zod';
import { fraction } from './fields.ts';

const side = () => z.int().min(32).max(8192);

/** Of [long, short] a picture is scaled, its ratio kept, until it fits both; without its ratio, to [width, height]. */
export const sides = () => z.tuple([side(), side()]);
export const longerFirst = 'the longer side first, as [1333, 800]';

/** Ends a step before the run does. */
const close = (epochs: number) =>
  z
    .int()
    .min(0)
    .max(1_000_000)
    .default(epochs)
    .describe('The last epochs of the run, so many, go without this step.');

const minVisible = (share: number) =>
  fraction().default(share).describe('Boxes with less than this share of their area left are dropped.');

const minSide = (verb: string) =>
  z
    .number()
    .min(0)
    .max(1000)
    .default(2)
    .describe(`Boxes with a side below this are ${verb}, in pixels of the result.`);

const flip = z
  .strictObject({
    probability: fraction().default(0.5).describe('Share of pictures that are mirrored.'),
    keypointPairs: z
      .array(z.tuple([z.int().min(0), z.int().min(0)]))
      .max(1000)
      .default([])
      .describe('Keypoint numbers [left, right] that change places, as the eyes of a person do.'),
  })
  .describe('Mirrors left and right.');

const resize = z
  .strictObject({
    mode: z
      .enum(['range', 'value'])
      .default('range')
      .describe(
        '`range`: both sides are drawn between the least and the largest of `sizes`; `value`: one of `sizes` is drawn.',
      ),
    sizes: z
      .array(sides())
      .min(1)
      .max(64)
      .describe(
        'Sizes to choose from in pixels, each [long, short], or [width, height] without `keepRatio`.',
      ),
    keepRatio: z
      .boolean()
      .default(true)
      .describe(
        'Whether a picture keeps its ratio; without, it is stretched to the size, whatever its shape.',
      ),
  })
  .refine(({ sizes, keepRatio }) => !keepRatio || sizes.every(([long, short]) => long >= short), {
    error: longerFirst,
    path: ['sizes'],
  })
  .describe('Scales to a random size in place of `data.size` (multi-scale training).');

const crop = z
  .strictObject({
    probability: fraction().default(0.5).describe('Share of pictures that are cropped.'),
    scale: z
      .tuple([z.number().min(0.05).max(1), z.number().min(0.05).max(1)])
      .refine(([least, largest]) => least <= largest, { error: 'the smaller share first, as [0.5, 1]' })
      .default([0.5, 1])
      .describe('Least and largest share of each side that is kept.'),
    minVisible: minVisible(0.3),
    keepObject: z
      .boolean()
      .default(false)
      .describe(
        'Whether the window always holds the middle of an object, drawn anew each time, as centerX has it.',
      ),
  })
  .describe('Cuts out a random window.');

const colour = z
  .strictObject({
    probability: fraction().default(1).describe('Share of pictures that are changed.'),
    brightness: fraction().default(0.125).describe('Largest shift of all values, as a share of 255.'),
    contrast: fraction().default(0.5).describe('Largest relative change of contrast.'),
    saturation: fraction().default(0.5).describe('Largest relative change of saturation.'),
    hue: z.number().min(0).max(0.5).default(0.05).describe('Largest turn of the hue, in turns.'),
  })
  .describe('Jitters brightness, contrast, saturation and hue.');

/** [least, largest], each within low–high. */
const range = (low: number, high: number) =>
  z
    .tuple([z.number().min(low).max(high), z.number().min(low).max(high)])
    .refine(([least, largest]) => least <= largest, { error: 'the smaller number first, as [0.5, 1.5]' });

const resizeCrop = z
  .strictObject({
    probability: fraction().default(0.5).describe('Share of pictures that it happens to.'),
    short: z
      .array(side())
      .min(1)
      .max(64)
      .default([400, 500, 600])
      .describe('Lengths of the shorter side, in pixels, of which one is drawn.'),
    window: z
      .tuple([side(), side()])
      .refine(([least, largest]) => least <= largest, { error: 'the smaller side first, as [384, 600]' })
      .default([384, 600])
      .describe(
        'Least and largest side of the window, in pixels, drawn for each side; never above that of the picture.',
      ),
    minVisible: minVisible(0.3),
  })
  .describe('Scales to a drawn size, then cuts out a window of drawn sides, as DETR does.');

const mosaic = z
  .strictObject({
    probability: fraction().default(1).describe('Share of pictures that are joined.'),
    centre: z
      .tuple([z.number().min(0.1).max(0.9), z.number().min(0.1).max(0.9)])
      .refine(([least, largest]) => least <= largest, { error: 'the smaller share first, as [0.25, 0.75]' })
      .default([0.25, 0.75])
      .describe('Least and largest place where the four meet, as a share of a sheet of twice `data.size`.'),
    minVisible: minVisible(0.1),
    minSide: minSide('dropped'),
    close: close(10),
  })
  .describe(
    'Joins four pictures, each fitted into `data.size`, around a point; an `affine` behind it may zoom out and show more of them.',
  );

const mixup = z
  .strictObject({
    probability: fraction().default(0.5).describe('Share of pictures that get another one laid over them.'),
    ratio: z
      .tuple([fraction(), fraction()])
      .refine(([least, largest]) => least <= largest, { error: 'the smaller share first, as [0.4, 0.6]' })
      .default([0.4, 0.6])
      .describe('Least and largest share of the first picture; the objects of both count in full.'),
    close: close(10),
  })
  .describe('Lays a second picture, as the steps before leave it, half transparent over the first.');

const copyPaste = z
  .strictObject({
    probability: fraction().default(0.5).describe('Share of pictures that get objects.'),
    objects: z
      .tuple([z.int().min(1).max(100), z.int().min(1).max(100)])
      .refine(([least, largest]) => least <= largest, { error: 'the smaller number first, as [1, 5]' })
      .default([1, 5])
      .describe('Least and largest number of objects, where the other picture has as many.'),
    maxCovered: fraction()
      .default(0.3)
      .describe('Objects that would hide more than this share of any box are left out; 1: none are.'),
    minVisible: fraction()
      .default(0.1)
      .describe(
        'Objects underneath are dropped when less than this share of their mask stays visible (of their box, without polygons); of others with polygons, box and polygons become those of what does.',
      ),
    minSide: minSide('left out'),
    close: close(10),
  })
  .describe(
    'Cuts objects out of a second picture, as the steps before leave it, along their polygons and lays them on the first. Wants annotations with polygons.',
  );

const fill = (system: string) =>
  z
    .array(z.int().min(0).max(255))
    .length(3)
    .nullable()
    .default(null)
    .describe(
      `Red, green and blue of what is left bare; [0, 0, 0] for ${system}'s black. Without, it is padding, which is grey: 0 once normalised.`,
    );

const affine = z
  .strictObject({
    probability: fraction().default(1).describe('Share of pictures that are warped.'),
    scale: range(0.05, 10).default([0.5, 1.5]).describe('Least and largest zoom.'),
    stretch: range(0.05, 10)
      .default([1, 1])
      .describe('Least and largest further zoom, drawn for each side by itself.'),
    translate: fraction()
      .default(0.1)
      .describe('Farthest move of the centre, as a share of each side, in every direction.'),
    rotate: z.number().min(0).max(180).default(0).describe('Largest turn in degrees, either way.'),
    shear: z
      .number()
      .min(0)
      .max(40)
      .default(0)
      .describe('Largest slant in degrees, either way, drawn for each axis.'),
    perspective: z
      .number()
      .min(0)
      .max(0.01)
      .default(0)
      .describe(
        'Largest change of depth a pixel, drawn for each axis; never more than 0.8 / (width + height) of the picture.',
      ),
    minVisible: minVisible(0.1),
    minSide: minSide('dropped'),
    tight: z
      .boolean()
      .default(false)
      .describe(
        "Draws a box anew around the object's polygons, where it has some; without, around the warped corners of its box, which a turn makes too large.",
      ),
    fill: fill('NanoDet'),
    close: close(0),
  })
  .describe('Zooms, moves, turns, slants and tilts about the centre.');

/** Ends what bytes can hold. */
const clamp = (each: string, without: string) =>
  z
    .boolean()
    .default(true)
    .describe(
      `Whether values are ${each}; without, they are changed in floating point on their way into the network, and may leave 0–255, ${without}. Then \`mosaic\`, \`copyPaste\` and \`mixup\` stand before it.`,
    );

const colourJitter = z
  .strictObject({
    probability: fraction().default(1).describe('Share of pictures that are changed.'),
    brightness: range(0, 10).default([0.6, 1.4]).describe('Least and largest factor of all values.'),
    contrast: range(0, 10)
      .default([0.6, 1.4])
      .describe("Least and largest factor of the distance to the picture's mean."),
    saturation: range(0, 10)
      .default([0.6, 1.4])
      .describe("Least and largest factor of the distance to the pixel's grey (0.299, 0.587, 0.114)."),
    lighting: z
      .number()
      .min(0)
      .max(255)
      .default(0.1)
      .describe(
        "Deviation of the weights of the principal components of ImageNet's colours, which are added to values of 0–255; 0.1 (centerX) is next to nothing, 25.5 is CenterNet's 0.1 of values 0–1.",
      ),
    randomOrder: z
      .boolean()
      .default(false)
      .describe('Whether brightness, contrast and saturation come in any order, as CenterNet has it.'),
    clamp: clamp(
      'clamped to 0–255 and cut to whole numbers after each of the four',
      'as CenterNet has it, where contrast and saturation blend with the mean grey and with the grey of the picture before any change',
    ),
  })
  .describe(
    'Brightness and contrast by factors, saturation and PCA lighting, in this order, as detectron2 and centerX have them (CenterNet: `randomOrder: true`, `clamp: false`).',
  );

const centreAffine = z
  .strictObject({
    probability: fraction()
      .default(1)
      .describe('Share of pictures that are zoomed; the others are shown whole.'),
    scales: z
      .array(z.number().min(0.05).max(10))
      .min(1)
      .max(64)
      .default([0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3])
      .describe('What the result is wide, as a share of the longer side; one of them is drawn.'),
    border: z
      .int()
      .min(0)
      .max(4096)
      .default(128)
      .describe(
        'Least distance from the edges of the place that comes into the middle, in pixels of the picture; halved until there is room.',
      ),
    minVisible: minVisible(0),
    minSide: minSide('dropped').default(0),
    fill: fill('CenterNet'),
  })
  .describe('Zooms into or out of a drawn place, straight into `data.size`, as the original CenterNet does.');

const photometric = z
  .strictObject({
    probability: fraction()
      .default(0.5)
      .describe('Share of pictures that each of the five changes happens to.'),
    brightness: fraction().default(0.125).describe('Largest shift of all values, as a share of 255.'),
    contrast: range(0, 10).default([0.5, 1.5]).describe('Least and largest factor of all values.'),
    saturation: range(0, 10)
      .default([0.5, 1.5])
      .describe('Least and largest factor of the saturation (of HSV: the largest channel stays).'),
    hue: z.number().min(0).max(0.5).default(0.05).describe('Largest turn of the hue (of HSV), in turns.'),
    shuffleChannels: z.boolean().default(true).describe('Whether the colour channels change places, too.'),
    clamp: clamp('rounded and clamped to 0–255', 'as NanoDet has it'),
  })
  .describe(
    'Distorts brightness, contrast, saturation, hue and the order of channels as SSD does, each in some pictures only.',
  );

/** Steps that put several pictures into one. */
export const joiningSteps: readonly string[] = ['mosaic', 'mixup', 'copyPaste'];

const steps = {
  flip,
  resize,
  crop,
  resizeCrop,
  mosaic,
  affine,
  centreAffine,
  copyPaste,
  mixup,
  colour,
  colourJitter,
  photometric,
};
const names = Object.keys(steps);

export const augmentStepSchema = z
  .strictObject({
    flip: flip.optional(),
    resize: resize.optional(),
    crop: crop.optional(),
    resizeCrop: resizeCrop.optional(),
    mosaic: mosaic.optional(),
    affine: affine.optional(),
    centreAffine: centreAffine.optional(),
    copyPaste: copyPaste.optional(),
    mixup: mixup.optional(),
    colour: colour.optional(),
    colourJitter: colourJitter.optional(),
    photometric: photometric.optional(),
  } satisfies Record<keyof typeof steps, unknown>)
  .refine((step) => Object.values(step).filter((value) => value !== undefined).length === 1, {
    error: `a map with one of the keys ${names.join(', ')}`,
  });

export type AugmentStep = z.output<typeof augmentStepSchema>;
