/**
 * A recipe before it is checked: a tree that remembers where every value was written. Files, overrides and plain objects
 * become such trees; merging moves whole subtrees, so that positions survive `extends` without any bookkeeping.
 *
 * Trees are immutable: aliases and merged recipes share subtrees.
 */

/** A text that values come from. */
export interface Source {
  /** Absolute path, or '' when it is no file. */
  readonly file: string;
  /** As messages show it. */
  readonly label: string;
  /** Folder that relative paths start from. */
  readonly folder: string;
  readonly kind: 'file' | 'override' | 'object';
}

/** A place in a source; line and column are 1-based, and 0 where there are none. */
export interface Origin {
  readonly source: Source;
  readonly line: number;
  readonly column: number;
}

export type Scalar = string | number | boolean | null;

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly value: Scalar;
  readonly at: Origin;
}
export interface ListNode {
  readonly kind: 'list';
  readonly items: readonly SourceNode[];
  readonly at: Origin;
}
export interface MapNode {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, MapEntry>;
  readonly at: Origin;
}
export interface MapEntry {
  /** Where the key stands. */
  readonly key: Origin;
  readonly value: SourceNode;
}
export type SourceNode = ScalarNode | ListNode | MapNode;

export type Path = readonly (string | number)[];

/** `data.augment.0.flip`; '' for the whole recipe. */
export const dotted = (path: Path): string => path.join('.');

/** `(configs/a.yaml:12)`, `(--set train.lr=0.1)` or `(recipe object)`. */
export function describeOrigin({ source, line }: Origin): string {
  return source.kind === 'file' ? `(${source.label}:${line})` : `(${source.label})`;
}

/** One step down, by key or index. */
export function childOf(node: SourceNode | undefined, key: string | number): SourceNode | undefined {
  if (node?.kind === 'map') return node.entries.get(String(key))?.value;
  if (node?.kind === 'list') return node.items[Number(key)];
  return undefined;
}

/** The node at `path`. */
export function nodeAt(root: SourceNode, path: Path): SourceNode | undefined {
  return path.reduce<SourceNode | undefined>(childOf, root);
}

/** Where `path` stands; for a path that is not written, its closest written ancestor. */
export function originOf(root: SourceNode, path: Path): Origin {
  let node: SourceNode = root;
  let origin = root.at;
  for (const key of path) {
    const child = childOf(node, key);
    if (!child) break;
    origin = node.kind === 'map' ? (node.entries.get(String(key)) as MapEntry).key : child.at;
    node = child;
  }
  return origin;
}

/** The plain value. Maps have no prototype, so that no key is special. */
export function toPlain(node: SourceNode): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toPlain);
  const out: Record<string, unknown> = Object.create(null);
  for (const [key, entry] of node.entries) out[key] = toPlain(entry.value);
  return out;
}

/** A tree of a plain object; every node has the one origin. Undefined members count as absent. */
export function fromPlain(value: unknown, at: Origin, depth = 0): SourceNode {
  if (
    value === null ||
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'boolean'
  ) {
    return { kind: 'scalar', value, at };
  }
  if (depth >= maxDepth) throw new NotPlainError(`more than ${maxDepth} levels`);
  if (Array.isArray(value)) {
    return { kind: 'list', items: value.map((item) => fromPlain(item, at, depth + 1)), at };
  }
  if (typeof value !== 'object') throw new NotPlainError(`a ${typeof value}`);
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new NotPlainError(`an instance of ${prototype.constructor?.name ?? 'a class'}`);
  }
  const entries = new Map<string, MapEntry>();
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) entries.set(key, { key: at, value: fromPlain(member, at, depth + 1) });
  }
  return { kind: 'map', entries, at };
}

/** Deepest nesting of a recipe. */
export const maxDepth = 50;

/** What a recipe object held that YAML has no word for. */
export class NotPlainError extends Error {}
