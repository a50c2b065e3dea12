/** HTML that cannot be broken by what is put into it: `html` escapes every value that is not markup itself. */

export class Markup {
  constructor(readonly text: string) {}

  toString(): string {
    return this.text;
  }
}

export type Content = string | number | Markup | null | undefined | false | readonly Content[];

/** A template tag; lists are joined, null, undefined and false are nothing. Also for attribute values in quotes. */
export function html(parts: TemplateStringsArray, ...values: Content[]): Markup {
  return new Markup(parts.reduce((text, part, i) => text + textOf(values[i - 1]) + part));
}

function textOf(content: Content): string {
  if (content instanceof Markup) return content.text;
  if (content === null || content === undefined || content === false) return '';
  if (typeof content === 'object') return content.map(textOf).join('');
  return escapeHtml(String(content));
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** Data for a script, inside a <script type="application/json">: without any `<` nothing ends the element. */
export function json(data: unknown): Markup {
  return new Markup(JSON.stringify(data).replace(/</g, '\\u003c'));
}

export interface Column {
  title: string;
  /** Aligned to the right. */
  numeric?: boolean;
}

/** A table with its name, in a box that scrolls by keyboard too. The first cell of a row names it. */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly Content[])[],
): Markup {
  const kind = (i: number) => (columns[i]?.numeric ? html` class="number"` : null);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table><caption>${caption}</caption>
<thead><tr>${columns.map(({ title }, i) => html`<th scope="col"${kind(i)}>${title}</th>`)}</tr></thead>
<tbody>${rows.map(
    (row) =>
      html`<tr>${row.map((cell, i) => (i === 0 ? html`<th scope="row"${kind(i)}>${cell}</th>` : html`<td${kind(i)}>${cell}</td>`))}</tr>\n`,
  )}</tbody></table></div>`;
}
