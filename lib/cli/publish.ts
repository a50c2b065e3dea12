import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Detector } from '../detector.ts';
import { HdError } from '../error.ts';
import { native } from '../native.ts';
import { metric } from '../report/format.ts';
import { requireWeights } from '../trainer/start.ts';
import { type CommonOptions, outputFolder, print, type Verb } from './verb.ts';

interface PublishOptions extends CommonOptions {
  from: string;
  out: string;
  name?: string | undefined;
}

export const publish: Verb<PublishOptions> = {
  command: 'publish <from>',
  describe: 'Make the file to hand out: the student alone, described inside, its checksum in its name',
  builder: (argv) =>
    argv
      .positional('from', {
        type: 'string',
        demandOption: true,
        describe: 'A run folder that is done, or a student.safetensors',
      })
      .option('out', { type: 'string', default: '.', describe: 'Folder to write into' })
      .option('name', {
        type: 'string',
        describe: 'Name before the checksum; default: detector and backbone',
      }),
  handler: async ({ from, out, name, json }) => {
    const isRun = existsSync(from) && statSync(from).isDirectory();
    const weights = isRun ? join(from, 'student.safetensors') : from;
    if (isRun && !existsSync(weights)) {
      throw new HdError(
        'HD_WEIGHTS_MISSING',
        `expected a run that is done in ${from} but it has no student.safetensors: finish it with --resume auto`,
        from,
      );
    }
    requireWeights(weights);
    outputFolder('out', out);
    const { metadata, tensors } = await native().weightsInfo(weights);
    if (metadata.format !== 'hdtrain-student-1' || !metadata.model) {
      throw new HdError(
        'HD_WEIGHTS_UNDESCRIBED',
        `expected the student.safetensors of a run, which describes its model, but ${weights} does not: train or fine-tune from it first`,
        weights,
      );
    }
    const results = isRun ? lastEvaluation(join(from, 'metrics.jsonl')) : null;
    const draft = join(out, `.publish-${process.pid}.safetensors`);
    try {
      await native().importWeights(weights, draft, {
        ...metadata,
        ...(results && { results: JSON.stringify(results) }),
      });
      // Whoever receives it must be able to load it: that is tried here, not there.
      const detector = await Detector.load(draft);
      detector.close();
      const sha256 = createHash('sha256').update(readFileSync(draft)).digest('hex');
      const model = JSON.parse(metadata.model) as { detector: string; backbone: string; classes: string[] };
      const path = join(
        out,
        `${name ?? `${model.detector}_${model.backbone}`}-${sha256.slice(0, 8)}.safetensors`,
      );
      renameSync(draft, path);
      native().fsyncPath(out);
      const { size } = statSync(path);
      print(
        json,
        { path, sha256, bytes: size, tensors: tensors.length, classes: model.classes, results },
        () =>
          [
            `${path}: ${tensors.length} tensors, ${(size / 1e6).toFixed(1)} MB, ${model.classes.length} classes${results ? `, AP ${metric(results.ap)}` : ''}`,
            `sha256 ${sha256}`,
            '',
            'next:',
            `  npx hdtrain predict --weights ${path} --out predictions PICTURES…`,
            `  npx hdtrain bench speed --weights ${path}`,
          ].join('\n'),
      );
    } finally {
      rmSync(draft, { force: true });
    }
  },
};

/** The numbers of the last evaluation of a run, without its class table. */
function lastEvaluation(path: string): Record<string, number> | null {
  if (!existsSync(path)) return null;
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n').reverse();
  for (const line of lines) {
    const { eval: found } = JSON.parse(line || '{}') as { eval?: Record<string, unknown> };
    if (!found) continue;
    return Object.fromEntries(
      Object.entries(found).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
    );
  }
  return null;
}
