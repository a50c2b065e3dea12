/** Source tree → typed recipe, or one sentence for each thing that is wrong. */
import type { z } from 'zod';
import {
  admitsNull,
  allPaths,
  alternatives,
  childSchema,
  inputSchema,
  type JsonSchema,
  knownKeys,
  schemaAt,
} from './introspect.ts';
import { nearest } from './nearest.ts';
import { resolveScalar } from './parse.ts';
import { choicesOf, phrase } from './phrase.ts';
import { type Problem, type ProblemCode, problem, show } from './problem.ts';
import { type Recipe, recipeSchema } from './schema/root.ts';
import { dotted, type MapEntry, nodeAt, originOf, type Path, type SourceNode, toPlain } from './source.ts';

/** Checks `root` against the schema. Undefined when there are problems. */
export function validate(root: SourceNode, problems: Problem[]): Recipe | undefined {
  const result = recipeSchema.safeParse(toPlain(root));
  if (result.success) return result.data;
  const { issues } = result.error;
  for (const issue of issues) {
    if (issue.code !== 'custom' || !isAboutUnknownKeys(issue, issues))
      problems.push(...translate(issue, [], root));
  }
  return undefined;
}

/** A map with unknown keys often breaks its rules as well; the keys are the cause. */
function isAboutUnknownKeys(rule: Issue, issues: readonly Issue[]): boolean {
  return issues.some(
    ({ code, path }) => code === 'unrecognized_keys' && dotted(path as Path) === dotted(rule.path as Path),
  );
}

/**
 * Drops nulls where the schema has none, so that a recipe can take away a key of its base (`momentum: null`). Where null
 * means something (`ema: null`) it stays, as it does under unknown keys.
 */
export function withoutNulls(node: SourceNode, schema: JsonSchema = inputSchema): SourceNode {
  if (node.kind === 'list') {
    const items = node.items.map((item, index) => {
      const below = childSchema(schema, index, node);
      return below ? withoutNulls(item, below) : item;
    });
    return { ...node, items };
  }
  if (node.kind !== 'map') return node;
  const entries = new Map<string, MapEntry>();
  for (const [key, entry] of node.entries) {
    const below = childSchema(schema, key, node);
    const isNull = entry.value.kind === 'scalar' && entry.value.value === null;
    if (below && isNull && !admitsNull(below)) continue;
    entries.set(key, below ? { key: entry.key, value: withoutNulls(entry.value, below) } : entry);
  }
  return { ...node, entries };
}

type Issue = z.core.$ZodIssue;

function translate(issue: Issue, prefix: Path, root: SourceNode): Problem[] {
  const path = [...prefix, ...(issue.path as Path)];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...path, key], root));
  if (issue.code === 'invalid_union' && !('discriminator' in issue && issue.discriminator)) {
    const inside = closest(issue.errors, nodeAt(root, path));
    if (inside) return inside.flatMap((inner) => translate(inner, path, root));
  }
  const node = nodeAt(root, path);
  const schema = schemaAt(root, path) ?? {};
  const at = originOf(root, path);
  const expected = issue.code === 'custom' ? issue.message : phrase(schemaForPhrase(issue, schema));
  if (!node) {
    const parent = dotted(path.slice(0, -1));
    const cure = `add '${String(path.at(-1))}:'${parent === '' ? '' : ` to ${parent}`}`;
    return [problem({ code: 'HD_RECIPE_MISSING', expected, path, received: 'nothing', at, cure })];
  }
  const value = toPlain(node);
  const cure = cureFor(value, schema, issue);
  return [problem({ code: codeOf(issue, value, schema), expected, path, received: show(value), at, cure })];
}

/** For a missing or wrong discriminator, `format` of any form of `data`. */
function schemaForPhrase(issue: Issue, schema: JsonSchema): JsonSchema {
  return issue.code === 'invalid_union' && 'options' in issue && issue.options
    ? { enum: (issue.options as unknown[]).map(String) }
    : schema;
}

/** The member of a union that a list or map was meant to be: its own faults say more than the union's. */
function closest(branches: Issue[][], node: SourceNode | undefined): Issue[] | undefined {
  if (!node || node.kind === 'scalar') return undefined;
  const wrongKind = (issue: Issue) =>
    issue.path.length === 0 && ['invalid_type', 'invalid_value'].includes(issue.code);
  const fitting = branches.filter((issues) => !issues.some(wrongKind));
  return fitting.length === 1 ? fitting[0] : undefined;
}

function codeOf(issue: Issue, value: unknown, schema: JsonSchema): ProblemCode {
  if (issue.code === 'too_small' || issue.code === 'too_big' || issue.code === 'not_multiple_of')
    return 'HD_RECIPE_RANGE';
  if (issue.code === 'invalid_value' || issue.code === 'custom' || issue.code === 'invalid_format')
    return 'HD_RECIPE_VALUE';
  const forms = alternatives(schema);
  if (typeof value === 'string' && (forms.some((form) => choicesOf(form).length > 0) || 'options' in issue)) {
    return 'HD_RECIPE_VALUE';
  }
  const number =
    typeof value === 'number' && forms.some(({ type }) => type === 'integer' || type === 'number');
  return number ? 'HD_RECIPE_RANGE' : 'HD_RECIPE_TYPE';
}

function cureFor(value: unknown, schema: JsonSchema, issue: Issue): string | undefined {
  if (typeof value !== 'string') return undefined;
  const forms = alternatives(schema);
  const options = 'options' in issue && issue.options ? (issue.options as unknown[]).map(String) : [];
  const choice = nearest(value, [...options, ...forms.flatMap(choicesOf)]);
  if (choice !== undefined) return `did you mean '${choice}'?`;
  const types = forms.map(({ type }) => type);
  if (types.includes('boolean')) {
    return /^(y|yes|no?|on|off)$/i.test(value)
      ? 'YAML 1.2 has no yes and no: write true or false'
      : undefined;
  }
  const numeric = types.includes('integer') || types.includes('number');
  return numeric && typeof resolveScalar(value) === 'number' ? 'remove the quotes' : undefined;
}

function unknownKey(path: Path, root: SourceNode): Problem {
  const key = String(path.at(-1));
  const parent = path.slice(0, -1);
  const known = knownKeys(root, parent);
  const where = parent.length === 0 ? 'the recipe' : dotted(parent);
  return problem({
    code: 'HD_RECIPE_UNKNOWN_KEY',
    expected: `a key of ${where}`,
    path,
    received: `the unknown key ${show(key)}`,
    at: originOf(root, path),
    cure: unknownKeyCure(key, dotted(parent), known),
  });
}

function unknownKeyCure(key: string, parent: string, known: string[]): string {
  const close = nearest(key, known);
  if (close !== undefined) return `did you mean '${close}'?`;
  const keys = `the keys are ${known.join(', ')}`;
  const paths = allPaths();
  if (paths.includes(`${parent}.${key}`)) return `it belongs to another format; ${keys}`;
  const elsewhere = paths.find((path) => path.endsWith(`.${key}`));
  return elsewhere === undefined ? keys : `did you mean '${elsewhere}'?`;
}
