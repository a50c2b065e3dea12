import { basename, extname, resolve } from 'node:path';
import { crossCheck } from './checks.ts';
import { readRecipe } from './files.ts';
import { applyOverrides, parseOverrides } from './overrides.ts';
import { type Problem, problem, RecipeError } from './problem.ts';
import { renderRecipe } from './render.ts';
import { absolutePaths, fillDependent } from './resolve.ts';
import type { Recipe, RecipeInput } from './schema/root.ts';
import { fromPlain, NotPlainError, type Source, type SourceNode } from './source.ts';
import { validate, withoutNulls } from './validate.ts';

/** A recipe that is ready to run. */
export interface LoadedRecipe {
  /** Every field present, paths absolute. */
  readonly recipe: Recipe;
  /** Stem of the file's name; names run folders. */
  readonly name: string;
  /** Absolute path of the file; '' for an object. */
  readonly path: string;
  /** The resolved recipe as YAML; loading it gives the same recipe. */
  readonly yaml: string;
  /** Settings that are legal but rarely meant, one sentence each. */
  readonly warnings: readonly string[];
}

export interface LoadOptions {
  /** Overrides as `train.lr=0.02`; later ones of the same path win. */
  set?: readonly string[];
  /** Where relative `path`s and paths in overrides start; default the current directory. */
  cwd?: string;
}

/**
 * Reads, merges, checks and resolves a recipe file.
 *
 * Throws {@link RecipeError} with everything that is wrong.
 *
 * @example const { recipe } = loadRecipe('configs/quickstart.yaml', { set: ['train.epochs=2'] });
 */
export function loadRecipe(path: string, { set = [], cwd = process.cwd() }: LoadOptions = {}): LoadedRecipe {
  const problems: Problem[] = [];
  const root = readRecipe(path, cwd, problems);
  return finish(root, set, cwd, problems, basename(path, extname(path)), resolve(cwd, path));
}

export interface ResolveOptions extends LoadOptions {
  /** Names run folders; default 'recipe'. */
  name?: string;
}

/**
 * Checks and resolves a recipe that a program has built. Paths are relative to `cwd`.
 *
 * Throws {@link RecipeError} with everything that is wrong.
 */
export function resolveRecipe(
  recipe: RecipeInput,
  { set = [], cwd = process.cwd(), name = 'recipe' }: ResolveOptions = {},
): LoadedRecipe {
  const source: Source = { file: '', label: 'recipe object', folder: cwd, kind: 'object' };
  const at = { source, line: 0, column: 0 };
  try {
    return finish(fromPlain(recipe, at), set, cwd, [], name, '');
  } catch (error) {
    if (!(error instanceof NotPlainError)) throw error;
    const received = error.message;
    throw new RecipeError([
      problem({ code: 'HD_RECIPE_TYPE', expected: 'plain data', path: [], received, at }),
    ]);
  }
}

function finish(
  read: SourceNode | undefined,
  set: readonly string[],
  cwd: string,
  problems: Problem[],
  name: string,
  path: string,
): LoadedRecipe {
  const overrides = parseOverrides(set, cwd, problems);
  const warnings: string[] = [];
  let recipe: Recipe | undefined;
  if (read) {
    const root = absolutePaths(withoutNulls(applyOverrides(read, overrides, problems)));
    recipe = validate(root, problems);
    if (recipe) crossCheck(fillDependent(recipe), root, problems, warnings);
  }
  if (!recipe || problems.length > 0) throw new RecipeError(inOrder(problems));
  return { recipe, name, path, yaml: renderRecipe(recipe), warnings };
}

/** By line within each file, the files in order of appearance, overrides last. */
function inOrder(problems: readonly Problem[]): Problem[] {
  const files = [...new Set(problems.map(({ file }) => file))].sort(
    (a, b) => Number(a === '') - Number(b === ''),
  );
  return [...problems].sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line);
}
