/** What a verb of the command line is: one file each, registered by one line in main.ts. */
import { mkdirSync } from 'node:fs';
import type { Argv, CommandModule } from 'yargs';
import { HdError } from '../error.ts';
import { type LoadedRecipe, loadRecipe } from '../recipe/index.ts';
import { fetchLine } from '../report/console.ts';
import type { FetchEvent } from '../trainer/events.ts';

export type Verb<Options> = CommandModule<CommonOptions, Options>;

/** Options that every verb has. */
export interface CommonOptions {
  json: boolean;
}

/** Options of every verb that reads a recipe. */
export interface RecipeOptions extends CommonOptions {
  config: string;
  set: string[];
}

/** `--set`, which may stand several times. */
export function setOption(describe = 'Override one field: a.b=c (repeatable)') {
  return { type: 'string', array: true, nargs: 1, default: [] as string[], describe } as const;
}

export function withRecipe<T>(argv: Argv<T>) {
  return argv
    .option('config', { type: 'string', demandOption: true, describe: 'Recipe (YAML)' })
    .option('set', setOption());
}

export function readRecipe({ config, set }: RecipeOptions): LoadedRecipe {
  return loadRecipe(config, { set });
}

/** Machine options of verbs that compute. They are recipe overrides in disguise, so that a recipe stays the whole truth. */
export function withMachine<T>(argv: Argv<T>) {
  return argv
    .option('device', {
      type: 'string',
      choices: ['auto', 'cpu'],
      default: 'auto',
      describe: 'Where to compute',
    })
    .option('threads', { type: 'number', describe: 'Threads that compute (default: all cores)' });
}

export function machineOverrides({ threads }: { threads?: number | undefined }): string[] {
  return threads === undefined ? [] : [`train.threads=${threads}`];
}

/** Of verbs that detect. */
export const flipOption = {
  type: 'boolean',
  describe: 'Look at each picture and at its mirror image (eval.flip): twice the time',
} as const;

/** Tells on a terminal how far shards have been fetched. */
export function showFetching(event: FetchEvent): void {
  if (process.stderr.isTTY)
    process.stderr.write(`\r\x1b[K${event.ready === event.shards ? '' : fetchLine(event)}`);
}

/** Trouble that a verb gets over, on stderr: results stay clean. */
export function warn(message: string): void {
  process.stderr.write(`warning: ${message}\n`);
}

/** One result: JSON for machines, else text for people. */
export function print(json: boolean, data: unknown, text: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(data) : text()}\n`);
}

/**
 * Numbers of options that do not go through a recipe. What is no number arrives as NaN.
 * @throws HdError HD_USAGE
 */
export function wholeNumber(option: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new HdError(
    'HD_USAGE',
    `expected an integer from ${min} to ${max} for --${option} but received ${value}`,
  );
}

/**
 * Makes the folder that an option names, before any work that would be lost.
 * @throws HdError HD_USAGE
 */
export function outputFolder(option: string, path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new HdError(
      'HD_USAGE',
      `expected a folder that can be made for --${option} but received ${path} (${(error as Error).message}): choose another`,
      path,
      { cause: error },
    );
  }
}
