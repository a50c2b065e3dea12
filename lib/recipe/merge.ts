import type { MapEntry, SourceNode } from './source.ts';

/**
 * `over` on top of `base`: maps merge key by key, anything else (lists as well) replaces. Keys keep the order of `base`;
 * new ones follow. Every value keeps its own origin. A null replaces too; {@link withoutNulls} later drops those that
 * the schema has no use for, which is how a recipe takes a key of its base away.
 */
export function merge(base: SourceNode, over: SourceNode): SourceNode {
  if (base.kind !== 'map' || over.kind !== 'map') return over;
  const entries = new Map<string, MapEntry>(base.entries);
  for (const [key, entry] of over.entries) {
    const below = entries.get(key);
    entries.set(key, below ? { key: entry.key, value: merge(below.value, entry.value) } : entry);
  }
  return { kind: 'map', entries, at: over.at };
}
