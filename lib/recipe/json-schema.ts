import { inputSchema, type JsonSchema } from './introspect.ts';

/**
 * The JSON Schema that editors check recipes with. More lenient than the loader in one respect: nothing is required, as
 * a recipe may leave anything to the one that it extends.
 */
export function recipeJsonSchema(): Record<string, unknown> {
  const { properties, ...rest } = partial(inputSchema);
  return {
    ...rest,
    title: 'hdtrain recipe',
    properties: {
      extends: {
        type: 'string',
        description: 'Another recipe, relative to this file, that this one changes.',
      },
      ...properties,
    },
  };
}

/** A copy without `required`, whose unions may fit several times. */
function partial(schema: JsonSchema): JsonSchema {
  const copy = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(copy);
    if (typeof value !== 'object' || value === null) return value;
    return partial(value as JsonSchema);
  };
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'required' && Array.isArray(value)) continue;
    out[key === 'oneOf' ? 'anyOf' : key] = key === 'default' ? value : copy(value);
  }
  return out as JsonSchema;
}
