/** A whole HTML document that asks nobody for anything: style and scripts stand in it, and nothing else may run. */
import { createHash } from 'node:crypto';
import { html, Markup } from './markup.ts';
import { style } from './style.ts';

export interface Section {
  /** Anchor; also by which a live page replaces it. */
  id: string;
  title: string;
  body: Markup;
}

export interface Page {
  title: string;
  scripts: readonly string[];
  sections: readonly Section[];
  /** For pages of a server: what besides data: may be asked for. */
  allow?: string;
  /** Below the title. */
  under?: Markup;
}

/** Shown first, without a heading of its own. */
export const headlineId = 'headline';

export function page({ title, scripts, sections, allow = 'img-src data:', under }: Page): string {
  const rest = sections.filter(({ id }) => id !== headlineId);
  return `<!doctype html>
${html`<html lang="en"><head><meta charset="utf-8"><title>${title} – hdtrain</title>
<meta http-equiv="Content-Security-Policy" content="${policy(scripts, allow)}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<link rel="icon" href="data:,">
<style>${new Markup(style)}</style></head>
<body><a class="skip" href="#main">Skip to the content</a>
<header><h1>${title}</h1>${under}</header>
<main id="main" tabindex="-1">${sections.filter(({ id }) => id === headlineId).map(sectionMarkup)}
<nav aria-label="Sections"><ul>${rest.map((section) => html`<li><a href="#${section.id}">${section.title}</a></li>`)}</ul></nav>
${rest.map(sectionMarkup)}</main>
${scripts.map((script) => html`<script>${new Markup(script)}</script>\n`)}</body></html>
`}`;
}

export function sectionMarkup({ id, title, body }: Section): Markup {
  if (id === headlineId) return html`<section id="${id}" aria-label="${title}">${body}</section>`;
  return html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${body}</section>\n`;
}

/** Scripts run by their digest only: one that slipped in with a name would not. */
function policy(scripts: readonly string[], allow: string): string {
  const digests = scripts.map((text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`);
  return `default-src 'none'; style-src 'unsafe-inline'; script-src ${digests.join(' ') || "'none'"}; base-uri 'none'; form-action 'none'; ${allow}`;
}
