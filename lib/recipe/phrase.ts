import { alternatives, type JsonSchema } from './introspect.ts';

/** What a field takes, in words: "an integer from 1 to 4", "'auto' or a list, each item a text". */
export function phrase(schema: JsonSchema): string {
  const forms = alternatives(schema);
  const choices = forms.flatMap((form) => choicesOf(form)).map((choice) => `'${choice}'`);
  const plain = forms.filter((form) => choicesOf(form).length === 0);
  // Lists last: what their items are would swallow what follows.
  const others = [
    ...plain.filter(({ type }) => type !== 'array'),
    ...plain.filter(({ type }) => type === 'array'),
  ].map(single);
  const words = [...(choices.length > 2 ? [`one of ${choices.join(', ')}`] : choices), ...others];
  return [...new Set(words)].join(' or ');
}

/** The texts that `schema` lists: an enumeration or a constant. */
export function choicesOf(schema: JsonSchema): string[] {
  if (schema.enum) return schema.enum.map(String);
  return schema.const === undefined ? [] : [String(schema.const)];
}

function single(schema: JsonSchema): string {
  switch (schema.type) {
    case 'integer':
    case 'number':
      return number(schema);
    case 'boolean':
      return 'true or false';
    case 'null':
      return 'null';
    case 'array':
      return list(schema);
    case 'object':
      return 'a map';
    default:
      return schema.path ? 'a path' : 'a text';
  }
}

function number(schema: JsonSchema): string {
  const noun = schema.type === 'integer' ? 'an integer' : 'a number';
  const multiple = schema.multipleOf === undefined ? '' : `, a multiple of ${schema.multipleOf}`;
  return `${noun}${range(schema)}${multiple}`;
}

/** " from 0 to 1", " above 0", … with zod's bounds of safe integers left out. */
export function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const low = minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? minimum : undefined;
  const high = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? maximum : undefined;
  if (low !== undefined && high !== undefined) return ` from ${low} to ${high}`;
  const bounds = [
    low === undefined ? '' : `at least ${low}`,
    exclusiveMinimum === undefined ? '' : `above ${exclusiveMinimum}`,
    high === undefined ? '' : `at most ${high}`,
    exclusiveMaximum === undefined ? '' : `below ${exclusiveMaximum}`,
  ].filter((bound) => bound !== '');
  if (bounds.length === 0) return '';
  return ` ${bounds[0]?.startsWith('at') ? 'of ' : ''}${bounds.join(' and ')}`;
}

function list(schema: JsonSchema): string {
  if (schema.prefixItems) {
    const [first] = schema.prefixItems;
    return `a list of ${schema.prefixItems.length}${first ? `, each ${phrase(first)}` : ''}`;
  }
  const { minItems, maxItems, items } = schema;
  const counts = range({
    ...(minItems ? { minimum: minItems } : {}),
    ...(maxItems ? { maximum: maxItems } : {}),
  });
  const length =
    counts === '' ? '' : `${counts}${maxItems === undefined && minItems === 1 ? ' item' : ' items'}`;
  return `a list${length.replace(' from', ' of')}${typeof items === 'object' ? `, each ${phrase(items)}` : ''}`;
}
