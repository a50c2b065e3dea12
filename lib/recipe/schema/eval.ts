import { z } from 'zod';
import { fraction } from './fields.ts';

export const evalSchema = z
  .strictObject({
    every: z.int().min(0).default(1).describe('Epochs between evaluations; 0 is once, at the end.'),
    metric: z
      .enum(['coco', 'voc'])
      .default('coco')
      .describe('Which numbers: COCO, or Pascal VOC at ten IoU thresholds.'),
    interpolation: z
      .enum(['area', '11point'])
      .default('area')
      .describe('voc: area under the precision curve, or the mean of 11 points (VOC 2007).'),
    scoreThreshold: fraction().default(0.05).describe('Detections below this score are dropped.'),
    candidates: z
      .int()
      .min(1)
      .max(100_000)
      .default(1000)
      .describe('Best locations of each level that go on to suppression.'),
    iouThreshold: fraction()
      .default(0.6)
      .describe('A box that overlaps a better one of its class by more is suppressed.'),
    maxDetections: z.int().min(1).max(10_000).default(100).describe('Detections kept a picture.'),
    best: z
      .enum(['ap', 'ap50', 'ap75', 'apSmall', 'apMedium', 'apLarge'])
      .default('ap')
      .describe('The number by which the best checkpoint is chosen; the last three need the coco metric.'),
    pictures: z
      .int()
      .min(0)
      .max(1000)
      .default(8)
      .describe('Validation pictures that are drawn with their detections.'),
  })
  .prefault({})
  .describe('How the network is measured, and how candidates become detections.');

export type EvalSection = z.output<typeof evalSchema>;
