#!/usr/bin/env node
/** The command line: parses, calls a verb, turns errors into sentences and exit codes. */
import process from 'node:process';
import { hideBin } from 'yargs/helpers';
import { ExitCode, HdError } from '../error.ts';
import { RecipeError } from '../recipe/index.ts';
import { commandLine } from './parser.ts';

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
try {
  await commandLine(args).parseAsync();
} catch (error) {
  fail(error, json);
}
