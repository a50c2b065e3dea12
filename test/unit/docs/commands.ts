/** Checks a command of the documents without running it: programs, scripts, verbs, options, values, recipes. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { commandLine, verbs } from '../../../lib/cli/parser.ts';
import { loadRecipe } from '../../../lib/recipe/index.ts';
import { root, textOf, wordsOf } from './markdown.ts';

const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };

export const verbsByName = new Map(
  verbs.map((verb) => [String([verb.command].flat()[0]).replace(/ .*/, ''), verb]),
);

export interface Recipes {
  /** Folder with the recipes that a reader would have written. */
  folder: string;
  /** Their names in it. */
  names: readonly string[];
  /** Told of each name that a command uses. */
  used(name: string): void;
}

/** @throws whatever is wrong with the command */
export async function checkCommand(text: string, recipes: Recipes): Promise<void> {
  const words = wordsOf(text);
  const [program, ...rest] = words;
  if (program === '--set')
    return checkRecipe(
      undefined,
      words.filter((word) => word !== '--set'),
      recipes,
    );
  if (program === 'npx' && rest[0] === 'hdtrain') return checkVerb(rest.slice(1), recipes);
  if (program === 'npm') return checkScript(rest);
  if (program === 'node' || program === 'python3')
    return assert.ok(existsSync(join(root, rest[0] ?? '')), `there is no ${rest[0]}`);
  assert.fail(`${program} is nothing that can be checked`);
}

async function checkVerb(args: string[], recipes: Recipes): Promise<void> {
  // A sentence may name a verb without what it wants.
  if (args.length === 1 && verbsByName.has(args[0] as string)) return;
  let parsed: { config?: string; set?: string[] } | undefined;
  const handler = (options: object) => {
    parsed = options;
  };
  const idle = verbs.map((verb) => ({ ...verb, handler }));
  await commandLine(args, idle).parseAsync();
  assert.ok(parsed, 'no verb takes this');
  if (parsed.config !== undefined) checkRecipe(parsed.config, parsed.set ?? [], recipes);
}

/** A recipe of the checkout, or one of the reader's, with the overrides. */
function checkRecipe(config: string | undefined, set: readonly string[], recipes: Recipes): void {
  if (config?.startsWith('configs/')) return void loadRecipe(config, { cwd: root, set });
  const name = config ?? (recipes.names[0] as string);
  assert.ok(recipes.names.includes(name), `${name} is neither in configs/ nor one of the reader's recipes`);
  if (config !== undefined) recipes.used(name);
  loadRecipe(name, { cwd: recipes.folder, set });
}

/** A script of package.json; its options are looked for in its source. */
function checkScript([first = '', ...rest]: string[]): void {
  const name = first === 'run' ? (rest.shift() ?? '') : first;
  const script = scripts[name];
  assert.ok(script, `package.json has no script '${name}'`);
  const source = textOf(/\S+\.(?:mjs|ts)/.exec(script)?.[0] ?? '');
  for (const option of rest.filter((word) => /^--\w/.test(word)))
    assert.match(source, new RegExp(`\\b${option.slice(2)}\\b`), `${name} knows no ${option}`);
}
