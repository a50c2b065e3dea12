import { fileURLToPath } from 'node:url';
import { COLLECTION_STYLE, dump, visit } from 'js-yaml';

/** Where the build puts the JSON Schema; the same from lib/ and from dist/. */
export const schemaFile = fileURLToPath(new URL('../../dist/recipe.schema.json', import.meta.url));

/** The comment by which editors find the schema. */
export const schemaComment = (path: string): string => `# yaml-language-server: $schema=${path}`;

/** A resolved recipe as YAML that loads again to the same recipe. Lists of plain values stand on one line. */
export function renderRecipe(recipe: object): string {
  const text = dump(recipe, {
    noRefs: true,
    lineWidth: -1,
    transform: (documents) =>
      visit(documents, (node) => {
        if (node.kind === 'sequence' && node.items.every((item) => item.kind === 'scalar'))
          node.style = COLLECTION_STYLE.FLOW;
      }),
  });
  return `${schemaComment(schemaFile)}\n${text}`;
}
