/** `--set a.b=c`: one value each, typed as YAML types scalars. */
import { childSchema, inputSchema, type JsonSchema } from './introspect.ts';
import { parseRecipe, resolveScalar } from './parse.ts';
import { type Problem, problem, show } from './problem.ts';
import {
  childOf,
  dotted,
  fromPlain,
  type ListNode,
  type MapEntry,
  maxDepth,
  type Origin,
  type Path,
  type Source,
  type SourceNode,
} from './source.ts';

export interface Override {
  readonly path: readonly string[];
  readonly value: SourceNode;
  readonly at: Origin;
}

/**
 * Reads overrides. Of several for the same path the last one counts; one for a path inside another's is refused, as
 * their order would decide silently.
 */
export function parseOverrides(texts: readonly string[], cwd: string, problems: Problem[]): Override[] {
  const overrides = new Map<string, Override>();
  for (const text of texts) {
    const override = parseOverride(text, cwd, problems);
    if (override) {
      overrides.delete(dotted(override.path));
      overrides.set(dotted(override.path), override);
    }
  }
  const all = [...overrides.values()];
  return all.filter((inner) => {
    const outer = all.find(
      ({ path }) => path.length < inner.path.length && path.every((key, i) => key === inner.path[i]),
    );
    if (!outer) return true;
    problems.push(
      problem({
        code: 'HD_RECIPE_OVERRIDE',
        expected: 'overrides of separate paths',
        path: inner.path,
        received: `one inside that of '${dotted(outer.path)}'`,
        at: inner.at,
        cure: 'put both into one',
      }),
    );
    return false;
  });
}

function parseOverride(text: string, cwd: string, problems: Problem[]): Override | undefined {
  const label = `--set ${text.length <= 80 ? text : `${text.slice(0, 77)}…`}`;
  const source: Source = { file: '', label, folder: cwd, kind: 'override' };
  const at: Origin = { source, line: 0, column: 0 };
  const split = text.indexOf('=');
  const path = text.slice(0, Math.max(0, split)).trim().split('.');
  if (split < 0 || path.some((key) => key === '' || key === '__proto__') || path[0] === 'extends') {
    const cure = path[0] === 'extends' ? "'extends' belongs into a file" : "write it as 'train.epochs=3'";
    problems.push(
      problem({
        code: 'HD_RECIPE_OVERRIDE',
        expected: 'path=value',
        path: [],
        received: show(text),
        at,
        cure,
      }),
    );
    return undefined;
  }
  if (path.length > maxDepth) {
    problems.push(
      problem({
        code: 'HD_RECIPE_LIMIT',
        expected: `at most ${maxDepth} levels`,
        path: [],
        received: `a path of ${path.length}`,
        at,
        cure: 'no field of a recipe lies that deep',
      }),
    );
    return undefined;
  }
  const value = parseValue(text.slice(split + 1).trim(), at, path, problems);
  return value && { path, value, at };
}

/** Lists, maps and quoted texts are YAML; anything else is one plain scalar, whatever characters it has. */
function parseValue(text: string, at: Origin, path: Path, problems: Problem[]): SourceNode | undefined {
  if (!/^[[{"']/.test(text)) return { kind: 'scalar', value: resolveScalar(text), at };
  const parsed = parseRecipe(text, at.source);
  const [first] = parsed.problems;
  if (!first || !parsed.root) {
    if (parsed.root) return relocated(parsed.root, at);
  }
  problems.push(
    problem({
      code: 'HD_RECIPE_OVERRIDE',
      expected: 'a value in YAML',
      path,
      received: show(text),
      at,
      cure: first?.message.split('; ').at(-1),
    }),
  );
  return undefined;
}

/** Lines inside a command-line argument mean nothing. */
function relocated(node: SourceNode, at: Origin): SourceNode {
  if (node.kind === 'scalar') return { ...node, at };
  if (node.kind === 'list') return { ...node, at, items: node.items.map((item) => relocated(item, at)) };
  const entries = [...node.entries].map(
    ([key, { value }]) => [key, { key: at, value: relocated(value, at) }] as const,
  );
  return { ...node, at, entries: new Map(entries) };
}

/** `root` with the overrides in place. Lists that the recipe does not write start from their default. */
export function applyOverrides(
  root: SourceNode,
  overrides: readonly Override[],
  problems: Problem[],
): SourceNode {
  let result = root;
  for (const override of overrides) {
    try {
      result = place(result, override, 0, inputSchema);
    } catch (error) {
      if (!(error instanceof Misplaced)) throw error;
      problems.push(error.problem);
    }
  }
  return result;
}

class Misplaced extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
  }
}

function place(
  node: SourceNode | undefined,
  override: Override,
  depth: number,
  schema: JsonSchema | undefined,
): SourceNode {
  const { path, value, at } = override;
  if (depth === path.length) return value;
  const key = path[depth] as string;
  const current = node ?? defaultNode(schema, at);
  const below = schema && childSchema(schema, key, current);
  if (current?.kind === 'list') return placeInList(current, override, depth, below);
  const entries = new Map<string, MapEntry>();
  if (current?.kind === 'map') for (const entry of current.entries) entries.set(...entry);
  const written = depth + 1 < path.length ? entries.get(key) : undefined;
  entries.set(key, {
    key: written?.key ?? at,
    value: place(childOf(current, key), override, depth + 1, below),
  });
  return { kind: 'map', entries, at: current?.kind === 'map' ? current.at : at };
}

function placeInList(
  list: ListNode,
  override: Override,
  depth: number,
  below: JsonSchema | undefined,
): ListNode {
  const { path, at } = override;
  const key = path[depth] as string;
  const index = /^\d+$/.test(key) ? Number(key) : Number.NaN;
  if (!(index < list.items.length)) {
    const known =
      list.items.length === 0 ? 'no item: the list is empty' : `an index from 0 to ${list.items.length - 1}`;
    throw new Misplaced(
      problem({
        code: 'HD_RECIPE_OVERRIDE',
        expected: known,
        path: path.slice(0, depth + 1),
        received: show(key),
        at,
        cure: `to add items, set the whole list '${dotted(path.slice(0, depth))}=[…]'`,
      }),
    );
  }
  const items = [...list.items];
  items[index] = place(list.items[index], override, depth + 1, below);
  return { ...list, items };
}

function defaultNode(schema: JsonSchema | undefined, at: Origin): SourceNode | undefined {
  return Array.isArray(schema?.default) ? fromPlain(schema.default, at) : undefined;
}
