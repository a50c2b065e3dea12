import type { Argv } from 'yargs';
import { compareReports, comparisonText } from '../bench/compare.ts';
import { planParts } from '../bench/plan.ts';
import { readReport, writeReport } from '../bench/report.ts';
import { HdError } from '../error.ts';
import { type BenchOptions, benches } from './bench-kinds.ts';
import { type CommonOptions, print, setOption, type Verb } from './verb.ts';

export const bench: Verb<BenchOptions> = {
  command: 'bench [what]',
  describe:
    'Time the training step, a teacher, a trained model, the loader, the index of annotations, fused losses, the evaluator or suppression on this machine',
  builder: (argv) =>
    (argv as Argv<CommonOptions>)
      .positional('what', {
        type: 'string',
        choices: Object.keys(benches),
        describe: 'What to time',
      })
      .option('save', { type: 'string', describe: 'Write figures and machine to this file, for --compare' })
      .option('compare', {
        type: 'string',
        array: true,
        describe: 'Two files of --save: what changed from the first to the second, and beyond noise',
      })
      .option('config', {
        type: 'string',
        describe: 'step: recipe (default: GFL-R18, 320², batch 4, 80 classes)',
      })
      .option('set', setOption('step: override one field of the recipe, also of the default one'))
      .option('steps', {
        type: 'number',
        default: 10,
        describe: 'step: timed steps, after two that warm up; data, plan: timed passes',
      })
      .option('distill', {
        type: 'boolean',
        default: false,
        describe: 'step: the default recipe under a GFL-R50 teacher with LD and KD',
      })
      .option('serve', {
        type: 'boolean',
        default: false,
        hidden: true,
        describe: 'step: one step per line of stdin',
      })
      .option('part', {
        type: 'string',
        choices: planParts,
        hidden: true,
        describe: 'plan --serve: which part of the network',
      })
      .option('candidates', {
        type: 'number',
        array: true,
        default: [1000, 5000, 10000],
        describe: 'nms: boxes',
      })
      .option('images', {
        type: 'number',
        describe: 'eval: pictures (5000); speed: pictures in memory (200); index: pictures (118000)',
      })
      .option('truths', { type: 'number', describe: 'eval: true boxes (36000); index: boxes (860000)' })
      .option('detections', { type: 'number', default: 500000, describe: 'eval: detections' })
      .option('out', {
        type: 'string',
        describe: 'eval: folder for the generated set as COCO files, for other tools',
      })
      .option('weights', { type: 'string', describe: 'speed: student.safetensors of a run' })
      .option('data', {
        type: 'string',
        array: true,
        nargs: 1,
        describe: 'data, speed: folder of pictures (repeatable); speed takes stripes in memory without',
      })
      .option('batch', {
        type: 'number',
        describe: 'speed: pictures a call (1); data: pictures a batch (16)',
      })
      .option('size', {
        type: 'number',
        describe: 'speed: input size (default: that of the weights); data: longest side (640)',
      })
      .option('threads', { type: 'number', describe: 'speed, data: threads (default: all cores)' }),
  handler: async (options) => {
    const { what, compare, json, save } = options;
    if (compare) return compareFiles(compare, options);
    if (what === undefined) {
      throw new HdError(
        'HD_USAGE',
        `expected what to time, or --compare with two files, for bench: one of ${Object.keys(benches).join(', ')}`,
      );
    }
    if (options.set.length > 0 && what !== 'step') {
      throw new HdError(
        'HD_USAGE',
        `expected --set with bench step alone, which has a recipe, but received it with bench ${what}: leave it out`,
      );
    }
    const outcome = await benches[what as keyof typeof benches](options);
    if (!outcome) return;
    print(json, outcome.result, () => outcome.text);
    if (save !== undefined) writeReport(save, what, outcome.settings, outcome.figures);
  },
};

function compareFiles(files: string[], { what, json }: BenchOptions): void {
  const [before, after] = files;
  if (files.length !== 2 || before === undefined || after === undefined || what !== undefined) {
    throw new HdError(
      'HD_USAGE',
      `expected two files, and nothing to time, for --compare but received ${[what, ...files].filter(Boolean).join(' ')}`,
    );
  }
  const comparison = compareReports(readReport(before), readReport(after));
  print(json, comparison, () => comparisonText(comparison));
}
