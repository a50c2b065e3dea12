/** The recipe, and what is special about it. */
import type { Change } from '../run/differences.ts';
import type { RunReader } from '../run/run-reader.ts';
import { html, type Markup, table } from './markup.ts';

export function recipe({ status, recipe: yaml }: RunReader): Markup {
  const { sinceStart = [], fromDefaults = [] } = status ?? {};
  return html`${
    sinceStart.length > 0 && changes('Changed since the run began', 'when it began', 'now', sinceStart)
  }${fromDefaults.length > 0 && changes('Set differently from the defaults (data aside)', 'default', 'here', fromDefaults)}
<details><summary>The whole recipe (recipe.yaml)</summary><pre tabindex="0">${yaml === '' ? 'no recipe.yaml in the run folder' : yaml}</pre></details>`;
}

export function changes(caption: string, before: string, after: string, list: readonly Change[]): Markup {
  return table(
    caption,
    [{ title: 'field' }, { title: before }, { title: after }],
    list.map((change) => [change.field, change.before || '–', change.after || '–']),
  );
}
