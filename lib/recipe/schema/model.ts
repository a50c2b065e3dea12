import { z } from 'zod';
import { classNames, filePath } from './fields.ts';

const rgb = () => z.tuple([z.number(), z.number(), z.number()]);
const positiveRgb = () => z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]);

/** The fields of a network; teachers.* have them as well. */
export const modelFields = {
  detector: z
    .enum(['gfl', 'gflv2', 'atss', 'fcos', 'retinanet'])
    .default('gfl')
    .describe(
      'Detector family: GFL; GFL v2, whose scores also hold how sure the box is (published weights want `preset: released`, a spare class column); ATSS, FCOS and RetinaNet with box sides as distributions, as localization distillation wants them.',
    ),
  preset: z
    .enum(['released', 'paper', 'robust'])
    .default('robust')
    .describe(
      'Which behaviour where the published code, its paper and common sense differ: `released` repeats the code (normalisers per micro-batch), `paper` its text, `robust` what works on any data.',
    ),
  backbone: z
    .enum([
      'resnet18',
      'resnet34',
      'resnet50',
      'resnet101',
      'resnet152',
      'resnext50_32x4d',
      'resnext101_32x4d',
      'resnext101_64x4d',
      'res2net50_26w_4s',
      'res2net101_26w_4s',
    ])
    .default('resnet18')
    .describe('Backbone network; the Res2Nets are v1d, as in mmdet.'),
  style: z
    .enum(['pytorch', 'caffe'])
    .default('pytorch')
    .describe(
      'Where a ResNet bottleneck strides: `pytorch` in its 3×3 convolution, `caffe` in the first 1×1. Weights fit one of them.',
    ),
  deformable: z
    .strictObject({
      stages: z
        .array(z.int().min(1).max(4))
        .min(1)
        .max(4)
        .describe('Stages whose bottlenecks sample at learned offsets, as [2, 3, 4].'),
      version: z
        .union([z.literal(1), z.literal(2)])
        .default(1)
        .describe('Version: 1 learns offsets, as the published recipes do; 2 a mask as well.'),
    })
    .nullable()
    .default(null)
    .describe('Deformable 3×3 convolutions in bottlenecks (ResNet-50 and larger, ResNeXt, Res2Net).'),
  classes: z
    .union([z.literal('auto'), z.int().min(1).max(10000), classNames()])
    .default('auto')
    .describe('Classes: `auto` takes those of the data set; a number; or the names in label order.'),
  norm: z
    .enum(['frozen', 'eval', 'train'])
    .default('train')
    .describe(
      'Batch norm of the backbone: `train` learns statistics and affine (needed from scratch), `eval` keeps the statistics and learns the affine (fine-tuning), `frozen` keeps both.',
    ),
  frozenStages: z
    .int()
    .min(0)
    .max(4)
    .default(0)
    .describe(
      'Backbone stages that do not learn: 0 none, 1 stem and layer1, … 4 all. Above 0 needs weights.',
    ),
  neckChannels: z.int().min(8).max(2048).default(256).describe('Channels of each feature pyramid level.'),
  headConvs: z.int().min(0).max(8).default(4).describe('Stacked 3×3 convolutions in each tower of the head.'),
  headChannels: z
    .int()
    .min(32)
    .max(2048)
    .multipleOf(32)
    .default(256)
    .describe(
      'Channels of the towers; a multiple of the 32 groups of their group norm (RetinaNet has none).',
    ),
  regMax: z
    .int()
    .min(1)
    .max(64)
    .default(16)
    .describe(
      'Largest distance of a box side from its anchor point, in strides; each side has regMax + 1 bins.',
    ),
  boxLoss: z.enum(['iou', 'giou', 'diou', 'ciou']).default('giou').describe('Loss of the decoded boxes.'),
  weights: filePath()
    .nullable()
    .default(null)
    .describe('Weights to start from (.safetensors, .pth); without, training is from scratch.'),
  init: z
    .enum(['strict', 'backbone'])
    .default('strict')
    .describe(
      'How weights are taken: `strict` refuses any mismatch, `backbone` takes what fits below `backbone.`.',
    ),
  mean: rgb()
    .default([123.675, 116.28, 103.53])
    .describe('Mean of the three channels, in `channelOrder`, that the network subtracts, 0–255.'),
  std: positiveRgb()
    .default([58.395, 57.12, 57.375])
    .describe('Deviation of the three channels, in `channelOrder`, that the network divides by, 0–255.'),
  channelOrder: z
    .enum(['rgb', 'bgr'])
    .default('rgb')
    .describe('Order of the colours that the weights expect: weights from Caffe want `bgr`.'),
};

/** The network, and the weights that it starts from. Strides are those of the family (8, 16, 32, 64, 128). */
export const modelSchema = z
  .strictObject(modelFields)
  .prefault({})
  .describe('The network, and the weights that it starts from.');

export type ModelSection = z.output<typeof modelSchema>;
