import { native } from '../native.ts';
import { classTable } from '../report/tables.ts';
import { type CommonOptions, print, type Verb } from './verb.ts';

interface ScoreOptions extends CommonOptions {
  gt: string;
  dt: string;
  type: string;
  format: string;
  interpolation: string;
}

const bboxNames = [
  'AP',
  'AP50',
  'AP75',
  'AP small',
  'AP medium',
  'AP large',
  'AR 1',
  'AR 10',
  'AR 100',
  'AR small',
  'AR medium',
  'AR large',
];
const keypointNames = [
  'AP',
  'AP50',
  'AP75',
  'AP medium',
  'AP large',
  'AR',
  'AR50',
  'AR75',
  'AR medium',
  'AR large',
];

export const score: Verb<ScoreOptions> = {
  command: 'score',
  describe: 'Score a COCO result file against its truth, with the numbers of pycocotools',
  builder: (argv) =>
    argv
      .option('gt', { type: 'string', demandOption: true, describe: 'Truth: COCO annotation file' })
      .option('dt', { type: 'string', demandOption: true, describe: 'Detections: COCO result file' })
      .option('type', {
        type: 'string',
        choices: ['bbox', 'segm', 'keypoints'],
        default: 'bbox',
        describe: 'What is compared',
      })
      .option('format', {
        type: 'string',
        choices: ['coco', 'voc'],
        default: 'coco',
        describe: 'Which metric',
      })
      .option('interpolation', {
        type: 'string',
        choices: ['area', '11point'],
        default: 'area',
        describe: 'voc only',
      }),
  handler: async ({ gt, dt, type, format, interpolation, json }) => {
    const result = await native().score({ gt, dt, type, format, interpolation });
    print(json, result, () => {
      const stats = (result.stats ?? []) as number[];
      const names =
        format === 'voc'
          ? ['AP (mean of ten)', 'AP50', 'AP75']
          : type === 'keypoints'
            ? keypointNames
            : bboxNames;
      const lines = stats.map(
        (value, i) => `${(names[i] ?? `stat ${i}`).padEnd(18)} ${value === -1 ? '–' : value.toFixed(4)}`,
      );
      return [...lines, '', classTable((result.perClass ?? []) as Record<string, unknown>[])].join('\n');
    });
  },
};
