/** The verbs, and how a command line is read. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import yargs, { type Argv, type CommandModule } from 'yargs';
import { HdError } from '../error.ts';
import { bench } from './bench.ts';
import { browse } from './browse.ts';
import { check } from './check.ts';
import { doctor } from './doctor.ts';
import { evaluate } from './eval.ts';
import { findBatch } from './find-batch.ts';
import { findLr } from './find-lr.ts';
import { importWeights } from './import.ts';
import { inspect } from './inspect.ts';
import { landscape } from './landscape.ts';
import { newRecipe } from './new.ts';
import { predict } from './predict.ts';
import { probe } from './probe.ts';
import { publish } from './publish.ts';
import { score } from './score.ts';
import { train } from './train.ts';
import { view } from './view.ts';

/** What does not depend on a verb's own options. */
type AnyVerb = Pick<CommandModule, 'command' | 'describe'>;

export const verbs: readonly AnyVerb[] = [
  train,
  evaluate,
  view,
  score,
  predict,
  check,
  newRecipe,
  browse,
  probe,
  findLr,
  findBatch,
  inspect,
  importWeights,
  publish,
  landscape,
  bench,
  doctor,
];

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** yargs makes a list of an option that is given twice, whatever its type. */
function refuseRepeated(argv: Record<string, unknown>, options: unknown): true {
  const lists = new Set((options as { array: string[] }).array);
  for (const [name, value] of Object.entries(argv)) {
    if (Array.isArray(value) && name !== '_' && !lists.has(name))
      throw new HdError(
        'HD_USAGE',
        `expected --${name} once but received it ${value.length} times (${value.join(', ')}): keep one`,
      );
  }
  return true;
}

/** Reads `args` strictly; tests hand in verbs that do nothing. Mistakes are thrown: HD_USAGE. */
export function commandLine(args: readonly string[], commands: readonly AnyVerb[] = verbs): Argv {
  let parser = yargs([...args])
    .scriptName('hdtrain')
    .usage('hdtrain: trains small, fast object detectors\n\n$0 --config recipe.yaml')
    .option('json', { type: 'boolean', default: false, describe: 'Print JSON for machines' })
    .version(version())
    .strict()
    .recommendCommands()
    .check(refuseRepeated)
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .help()
    .fail((message, error) => {
      throw error ?? new HdError('HD_USAGE', `${message}; see 'hdtrain --help'`);
    });
  for (const verb of commands) parser = parser.command(verb as never);
  return parser;
}
