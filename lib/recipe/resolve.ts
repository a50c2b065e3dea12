/** Last steps from a checked recipe to a resolved one: absolute paths, and defaults that depend on other fields. */
import { resolve } from 'node:path';
import { alternatives, childSchema, inputSchema, type JsonSchema } from './introspect.ts';
import type { Recipe } from './schema/root.ts';
import type { SourceNode } from './source.ts';

/** Epochs of a run that gives neither epochs nor steps. */
const defaultEpochs = 12;

/** Whether a text names something of the web rather than of the disk. */
export const isAddress = (text: string): boolean => /^https?:\/\//i.test(text);

/**
 * `root` with every path absolute, from where it was written: a recipe's own folder, or the current directory for
 * overrides and objects.
 */
export function absolutePaths(node: SourceNode, schema: JsonSchema = inputSchema): SourceNode {
  if (node.kind === 'scalar') {
    const { value } = node;
    const isPath =
      typeof value === 'string' &&
      value !== '' &&
      alternatives(schema).some(({ path, address }) => path && !(address && isAddress(value)));
    return isPath ? { ...node, value: resolve(node.at.source.folder, value) } : node;
  }
  const descend = (key: string | number, child: SourceNode) => {
    const below = childSchema(schema, key, node);
    return below ? absolutePaths(child, below) : child;
  };
  if (node.kind === 'list') return { ...node, items: node.items.map((item, index) => descend(index, item)) };
  const entries = [...node.entries].map(
    ([key, entry]) => [key, { key: entry.key, value: descend(key, entry.value) }] as const,
  );
  return { ...node, entries: new Map(entries) };
}

/** Fills what depends on other fields: the length of the run, and what validation takes over from training. */
export function fillDependent(recipe: Recipe): Recipe {
  const { train, data } = recipe;
  if (train.epochs === null && train.steps === null) train.epochs = defaultEpochs;
  const training = data.train as Record<string, unknown>;
  const validation = data.val as Record<string, unknown> | null;
  for (const [field, value] of Object.entries(validation ?? {})) {
    // A list of pictures is a split's own: without one, the split is its whole folder.
    if (validation && value === null && field !== 'list') validation[field] = training[field];
  }
  return recipe;
}
