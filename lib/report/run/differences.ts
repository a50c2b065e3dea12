/** How two recipes differ, field by field. */

export interface Change {
  /** As `train.lr`; entries of lists by number. */
  field: string;
  /** As JSON; empty where the field is not there. */
  before: string;
  after: string;
}

/** In the order of `after`, then what only `before` has. */
export function differences(before: unknown, after: unknown): Change[] {
  const [old, now] = [flat(before), flat(after)];
  const fields = new Set([...now.keys(), ...old.keys()]);
  return [...fields].flatMap((field) => {
    const change = { field, before: old.get(field) ?? '', after: now.get(field) ?? '' };
    return change.before === change.after ? [] : [change];
  });
}

/** Plain data as path → JSON of the leaf. Lists of plain values are leaves. */
export function flat(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  const isLeaf = (item: unknown) => typeof item !== 'object' || item === null;
  const entries = isLeaf(value) ? [] : Object.entries(value as object);
  if (entries.length === 0 || (Array.isArray(value) && value.every(isLeaf))) {
    if (path !== '') into.set(path, JSON.stringify(value) ?? '');
    return into;
  }
  for (const [key, item] of entries) flat(item, path === '' ? key : `${path}.${key}`, into);
  return into;
}
