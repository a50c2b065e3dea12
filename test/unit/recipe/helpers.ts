/** Recipes in a folder of their own, and what loading them says. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after } from 'node:test';
import {
  type LoadedRecipe,
  type LoadOptions,
  loadRecipe,
  type Problem,
  RecipeError,
} from '../../../lib/recipe/index.ts';
import type { Source, SourceNode } from '../../../lib/recipe/source.ts';

/** The shortest recipe there is. */
export const shortest = 'data: {format: synthetic, train: {count: 320}, val: {count: 32}}\n';

/** A folder that goes away with the test file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hdtrain-recipe-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes `files` (path → text) below a new folder and returns it. */
export function folderOf(files: Record<string, string | Uint8Array>): string {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

/** Loads `a.yaml` of the files; a text alone stands for it. Everything is relative to its folder. */
export function load(
  files: string | Uint8Array | Record<string, string | Uint8Array>,
  options: LoadOptions = {},
): LoadedRecipe & { folder: string } {
  const folder = folderOf(
    typeof files === 'string' || files instanceof Uint8Array ? { 'a.yaml': files } : files,
  );
  return { ...loadRecipe('a.yaml', { cwd: folder, ...options }), folder };
}

/** The error of a recipe that must not load. */
export function failure(
  files: string | Uint8Array | Record<string, string | Uint8Array>,
  options: LoadOptions = {},
): RecipeError {
  try {
    load(files, options);
  } catch (error) {
    assert.ok(error instanceof RecipeError, `expected a RecipeError but received ${(error as Error).stack}`);
    return error;
  }
  return assert.fail('expected the recipe to be refused');
}

/** The only problem of a recipe that must not load. */
export function problemOf(
  files: string | Uint8Array | Record<string, string | Uint8Array>,
  options: LoadOptions = {},
): Problem {
  const { problems, message } = failure(files, options);
  assert.equal(problems.length, 1, message);
  return problems[0] as Problem;
}

export const aSource: Source = {
  file: '/recipes/a.yaml',
  label: 'a.yaml',
  folder: '/recipes',
  kind: 'file',
};

/** A node's shape with line numbers: scalars as [value, line]. */
export function outline(node: SourceNode | undefined): unknown {
  if (!node) return undefined;
  if (node.kind === 'scalar') return [node.value, node.at.line];
  if (node.kind === 'list') return node.items.map(outline);
  return Object.fromEntries([...node.entries].map(([key, entry]) => [key, outline(entry.value)]));
}
