import { z } from 'zod';
import { fraction } from './fields.ts';

export const evalSchema = z
  .strictObject({
    every: z.int().min(0).default(1).describe('Epochs between evaluations; 0 is once, at the end.'),
    metric: z
      .enum(['coco', 'voc', 'lvis'])
      .default('coco')
      .describe(
        'Which numbers: COCO, Pascal VOC at ten IoU thresholds, or LVIS, which counts only what a picture was searched for.',
      ),
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
    suppression: z
      .strictObject({
        kind: z
          .enum(['greedy', 'cluster', 'cluster-diou', 'soft-linear', 'soft-gaussian'])
          .default('greedy')
          .describe(
            'How overlapping boxes of a class are thinned out: `greedy` by IoU; `cluster` the same result under its published name; `cluster-diou` by IoU less a penalty for distant centres; the soft kinds lower scores instead.',
          ),
        voting: z
          .enum(['none', 'score', 'paa'])
          .default('none')
          .describe(
            'Moves kept boxes to the mean of their neighbours: `score` as the LD code base does, `paa` over all candidates of the class. Not with soft kinds.',
          ),
        beta: z.number().positive().max(10).default(0.8).describe('cluster-diou: exponent of the penalty.'),
        sigma: z.number().positive().max(10).default(0.5).describe('soft-gaussian: width.'),
        minScore: fraction().default(0.001).describe('Soft kinds: scores below it are dropped.'),
      })
      .prefault({})
      .describe('How candidates of one class become detections.'),
    maxDetections: z.int().min(1).max(10_000).default(100).describe('Detections kept a picture.'),
    flip: z
      .boolean()
      .default(false)
      .describe(
        'Looks at each picture and at its mirror image, and suppresses the candidates of both together: often a little more AP for twice the time. Not where left and right differ.',
      ),
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

type Suppression = z.output<typeof evalSchema>['suppression'];

/** Soft kinds lower scores and drop no box for its overlap. */
export function isSoft(kind: Suppression['kind']): boolean {
  return kind.startsWith('soft-');
}

/** Voting moves the boxes that suppression kept from others; soft kinds leave no others. */
export function votesUnheard({ kind, voting }: Pick<Suppression, 'kind' | 'voting'>): boolean {
  return isSoft(kind) && voting !== 'none';
}
