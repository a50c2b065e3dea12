/** Questions about the recipe's schema, answered from its JSON Schema: the public form of what zod knows. */
import { z } from 'zod';
import { recipeSchema } from './schema/root.ts';
import { childOf, type Path, type SourceNode } from './source.ts';

/** The part of JSON Schema that recipes use. */
export interface JsonSchema {
  type?: string | string[];
  description?: string;
  default?: unknown;
  const?: string | number | boolean;
  enum?: (string | number)[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  items?: boolean | JsonSchema;
  prefixItems?: JsonSchema[];
  minItems?: number;
  maxItems?: number;
  minLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  multipleOf?: number;
  /** Ours: the text is a file or folder. */
  path?: boolean;
  /** Ours: such a path may be an http(s) address. */
  address?: boolean;
}

/** What a user may write, all sections. */
export const inputSchema = z.toJSONSchema(recipeSchema, { io: 'input', reused: 'inline' }) as JsonSchema;

/** The schema itself, or the members of a union, flattened. */
export function alternatives(schema: JsonSchema): JsonSchema[] {
  const members = schema.anyOf ?? schema.oneOf;
  if (members) return members.flatMap(alternatives);
  return Array.isArray(schema.type) ? schema.type.map((type) => ({ ...schema, type })) : [schema];
}

export const admitsNull = (schema: JsonSchema): boolean =>
  alternatives(schema).some(({ type }) => type === 'null');

/**
 * The map form of `schema` that `node` is written in. Where several are possible (`data`), that whose constants
 * (`format`) agree with the node; undefined when the node does not say.
 */
export function mapForm(schema: JsonSchema, node: SourceNode | undefined): JsonSchema | undefined {
  const forms = alternatives(schema).filter(({ type }) => type === 'object');
  if (forms.length <= 1) return forms[0];
  return forms.find((form) =>
    Object.entries(form.properties ?? {}).every(([key, { const: expected }]) => {
      const written = childOf(node, key);
      return expected === undefined || (written?.kind === 'scalar' && written.value === expected);
    }),
  );
}

/** The schema one step below. */
export function childSchema(
  schema: JsonSchema,
  key: string | number,
  node: SourceNode | undefined,
): JsonSchema | undefined {
  const list = alternatives(schema).find(({ type }) => type === 'array');
  if (list && node?.kind !== 'map' && /^\d+$/.test(String(key))) {
    const item = list.prefixItems?.[Number(key)] ?? list.items;
    return typeof item === 'object' ? item : undefined;
  }
  const form = mapForm(schema, node);
  if (form?.properties && Object.hasOwn(form.properties, key)) return form.properties[key];
  const rest = form?.additionalProperties;
  return typeof rest === 'object' ? rest : undefined;
}

/** The schema at `path` of the recipe `root`. */
export function schemaAt(root: SourceNode, path: Path): JsonSchema | undefined {
  let schema: JsonSchema | undefined = inputSchema;
  let node: SourceNode | undefined = root;
  for (const key of path) {
    if (!schema) return undefined;
    schema = childSchema(schema, key, node);
    node = childOf(node, key);
  }
  return schema;
}

/** Keys that may stand in the map at `path`; of all its forms when it does not say which one it is. */
export function knownKeys(root: SourceNode, path: Path): string[] {
  const schema = schemaAt(root, path);
  if (!schema) return [];
  const node = path.reduce<SourceNode | undefined>(childOf, root);
  const chosen = mapForm(schema, node);
  const forms = chosen ? [chosen] : alternatives(schema).filter(({ type }) => type === 'object');
  return [...new Set(forms.flatMap(({ properties }) => Object.keys(properties ?? {})))];
}

/** Dotted paths of every key of the schema, shallow ones first; list items are left out. */
export function allPaths(): string[] {
  const found = new Set<string>();
  let level: [string, JsonSchema][] = [['', inputSchema]];
  while (level.length > 0) {
    const next: [string, JsonSchema][] = [];
    for (const [prefix, schema] of level) {
      for (const { properties } of alternatives(schema)) {
        for (const [key, child] of Object.entries(properties ?? {})) {
          const path = prefix === '' ? key : `${prefix}.${key}`;
          found.add(path);
          next.push([path, child]);
        }
      }
    }
    level = next;
  }
  return [...found];
}
