import { parseRecipe } from './parse.ts';
import { toPlain } from './source.ts';

/** The fields of a recipe.yaml as plain data, whatever version wrote it: nothing is checked. Null when it is no YAML. */
export function plainRecipe(text: string): unknown {
  const { root, problems } = parseRecipe(text, { file: '', label: 'recipe.yaml', folder: '', kind: 'file' });
  return root && problems.length === 0 ? toPlain(root) : null;
}
