#!/usr/bin/env node
/** The command line: parses, calls a verb, turns errors into sentences and exit codes. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { ExitCode, HdError } from '../error.ts';
import { RecipeError } from '../recipe/index.ts';
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

const verbs = [
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

/** Says what went wrong on stderr (as JSON with --json) and picks the exit code. */
function fail(error: unknown, json: boolean): void {
  const known = error instanceof HdError ? error : null;
  const message = error instanceof Error ? error.message : String(error);
  if (json) {
    const problems = error instanceof RecipeError ? { problems: error.problems } : {};
    process.stderr.write(
      `${JSON.stringify({ type: 'error', code: known?.code ?? 'HD_INTERNAL', message, where: known?.where ?? '', ...problems })}\n`,
    );
  } else {
    process.stderr.write(`hdtrain: ${message}${known ? ` [${known.code}]` : ''}\n`);
    if (known?.where && !message.includes(known.where)) process.stderr.write(`  at ${known.where}\n`);
    if (!known || process.env.HDTRAIN_DEBUG)
      process.stderr.write(`${error instanceof Error ? error.stack : ''}\n`);
  }
  process.exitCode = known?.exitCode ?? ExitCode.internal;
}

const args = hideBin(process.argv);
const json = args.includes('--json');
if (process.platform !== 'linux' || process.arch !== 'x64') {
  process.stderr.write(
    `hdtrain: expected Linux on x64 but this is ${process.platform} on ${process.arch}; use a Linux machine, a container or WSL 2\n`,
  );
  process.exit(ExitCode.usage);
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

let parser = yargs(args)
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
for (const verb of verbs) parser = parser.command(verb as never);

try {
  await parser.parseAsync();
} catch (error) {
  fail(error, json);
}
