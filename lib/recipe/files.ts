/** Recipe files from the disk, with everything that they extend. */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { merge } from './merge.ts';
import { limits, parseRecipe } from './parse.ts';
import { type Problem, problem, show } from './problem.ts';
import {
  childOf,
  type MapNode,
  type Origin,
  originOf,
  type Source,
  type SourceNode,
  toPlain,
} from './source.ts';

/** Longest chain of `extends`. */
const maxLevels = 20;

/**
 * Reads `path` and its bases, merged, `extends` removed. Undefined when a file could not be read; whatever is wrong goes
 * to `problems`.
 */
export function readRecipe(path: string, cwd: string, problems: Problem[]): SourceNode | undefined {
  return readChain(resolve(cwd, path), cwd, undefined, [], problems);
}

function readChain(
  file: string,
  cwd: string,
  asked: Origin | undefined,
  chain: readonly string[],
  problems: Problem[],
): SourceNode | undefined {
  const source: Source = { file, label: shortest(file, cwd), folder: dirname(file), kind: 'file' };
  const at = asked ?? { source, line: 0, column: 0 };
  const path = asked ? ['extends'] : [];
  const complain = (expected: string, received: string, cure?: string) => {
    problems.push(
      problem({ code: asked ? 'HD_RECIPE_EXTENDS' : 'HD_RECIPE_FILE', expected, path, received, at, cure }),
    );
    return undefined;
  };

  let text: string;
  let real: string;
  try {
    real = realpathSync(file);
    text = readText(real);
  } catch (error) {
    if (error instanceof TooLarge) {
      problems.push(
        problem({
          code: 'HD_RECIPE_LIMIT',
          expected: `a file of at most ${limits.bytes} bytes`,
          path,
          received: `${source.label} of ${error.bytes} bytes`,
          at,
          cure: 'a recipe holds settings, not data',
        }),
      );
      return undefined;
    }
    return complain('a readable text file', show(source.label), (error as Error).message);
  }
  if (chain.includes(real)) {
    return complain(
      'recipes that do not extend each other in a circle',
      show(source.label),
      `remove this 'extends'`,
    );
  }
  if (chain.length >= maxLevels) return complain(`at most ${maxLevels} levels of 'extends'`, 'more');

  const parsed = parseRecipe(text, source);
  problems.push(...parsed.problems);
  const root = parsed.root;
  if (root?.kind !== 'map') return root;
  const base = childOf(root, 'extends');
  if (base === undefined) return root;
  const own = without(root, 'extends');
  if (base.kind !== 'scalar' || typeof base.value !== 'string' || base.value === '') {
    problems.push(
      problem({
        code: 'HD_RECIPE_TYPE',
        expected: 'the path of a recipe',
        path: ['extends'],
        received: show(toPlain(base)),
        at: originOf(root, ['extends']),
      }),
    );
    return own;
  }
  const below = readChain(
    resolve(source.folder, base.value),
    cwd,
    originOf(root, ['extends']),
    [...chain, real],
    problems,
  );
  return below ? merge(below, own) : undefined;
}

function without(node: MapNode, key: string): MapNode {
  const entries = new Map(node.entries);
  entries.delete(key);
  return { ...node, entries };
}

class TooLarge extends Error {
  constructor(readonly bytes: number) {
    super(`${bytes} bytes`);
  }
}

/** The text of a regular file; its size is looked at before anything is read, and pipes are not waited for. */
function readText(path: string): string {
  const handle = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const status = fstatSync(handle);
    if (!status.isFile()) throw new Error('it is not a file');
    if (status.size > limits.bytes) throw new TooLarge(status.size);
    const bytes = Buffer.alloc(limits.bytes + 1);
    let length = 0;
    for (;;) {
      const count = readSync(handle, bytes, length, bytes.length - length, null);
      length += count;
      if (length > limits.bytes) throw new TooLarge(length);
      if (count === 0) break;
    }
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, length));
    } catch {
      throw new Error('it is not UTF-8 text');
    }
  } finally {
    closeSync(handle);
  }
}

/** The shorter of the absolute path and that from the current directory. */
export function shortest(file: string, cwd: string): string {
  const short = relative(cwd, file);
  return short !== '' && short.length < file.length && !isAbsolute(short) ? short : file;
}
