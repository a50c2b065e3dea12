import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { ExitCode } from '../error.ts';
import { native } from '../native.ts';
import { consoleReporter, evaluationTable } from '../report/console.ts';
import { metric } from '../report/format.ts';
import { Trainer } from '../trainer/trainer.ts';
import {
  machineOverrides,
  type RecipeOptions,
  readRecipe,
  type Verb,
  withMachine,
  withRecipe,
} from './verb.ts';

interface TrainOptions extends RecipeOptions {
  run?: string | undefined;
  resume: string;
  threads?: number | undefined;
}

export const train: Verb<TrainOptions> = {
  command: ['train', '$0'],
  describe: 'Train a detector from a recipe (the default verb)',
  builder: (argv) =>
    withMachine(withRecipe(argv))
      .option('run', { type: 'string', describe: 'Run folder (default: runs/<recipe name>-<n>)' })
      .option('resume', {
        type: 'string',
        default: 'never',
        describe: "'never', 'auto' (start, go on, or return when finished), or a checkpoint folder",
      })
      .example('$0 --config configs/quickstart.yaml', 'train with what the recipe says')
      .example(
        '$0 --config r.yaml --run runs/a --resume auto',
        'the same command again goes on after a crash',
      )
      .example('$0 --config r.yaml --set train.lr=0.005 --set train.epochs=24', 'change fields'),
  handler: async (options) => {
    const loaded = readRecipe({ ...options, set: [...options.set, ...machineOverrides(options)] });
    const abort = stopOnSignals();
    const trainer = new Trainer(loaded, { run: options.run, resume: options.resume, signal: abort.signal });
    const report = consoleReporter({ json: options.json });
    const run = trainer.run();
    for await (const event of run) report(event);
    const result = await run;
    if (!options.json) process.stdout.write(closing(options, result));
    // Native work that the run did not wait for would keep the process alive.
    if (result.status === 'interrupted') process.exit(ExitCode.interrupted);
    process.exitCode = ExitCode.done;
  },
};

/** Milliseconds in which a second signal is the same key: npm hands on to us what the terminal sent us already. */
const sameKey = 500;

/** First signal: finish the step, save, exit 75. Second: exit at once; what is on the disk is whole either way. */
function stopOnSignals(): AbortController {
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (abort.signal.aborted) return;
      // The second is taken natively: this thread may be at something long, as writing to a disk that hangs.
      native().endOnSignals(sameKey);
      process.stderr.write(`\n${signal}: finishing the step and saving; again to stop at once\n`);
      abort.abort();
    });
  }
  return abort;
}

function closing(options: TrainOptions, result: Awaited<ReturnType<Trainer['run']>>): string {
  const recipe = `--config ${options.config}`;
  if (result.status === 'interrupted') {
    if (result.step === 0)
      return `nothing was trained yet; start again with: npx hdtrain ${recipe} --run ${result.run} --resume auto\n`;
    return `saved; go on with: npx hdtrain ${recipe} --run ${result.run} --resume auto\n`;
  }
  const lines: string[] = [];
  if (result.metrics)
    lines.push(
      '',
      evaluationTable(result.metrics),
      '',
      `AP ${metric(result.metrics.ap)}  AP50 ${metric(result.metrics.ap50)}`,
    );
  if (result.pictures[0])
    lines.push(`pictures (truth left, predicted right): ${dirname(result.pictures[0])}`);
  if (existsSync(`${result.run}/report.html`)) lines.push(`report: ${result.run}/report.html`);
  lines.push(
    'next:',
    `  npx hdtrain predict --weights ${result.weights} --out predictions PICTURES…`,
    `  npx hdtrain eval ${recipe} --weights ${result.weights}`,
  );
  return `${lines.join('\n')}\n`;
}
