/** Truth beside prediction, the same pictures over the steps. */
import { basename } from 'node:path';
import { count } from '../format.ts';
import type { PictureSet } from '../run/run-reader.ts';
import { type Content, html, type Markup } from './markup.ts';

/** Where a picture is had from: an address for src (markup when it needs no escaping), or null to link to it only. */
export type PictureSource = (file: string) => string | Markup | null;

/** Pictures, and steps of each, that are shown. */
const mostNames = 6;
const mostSteps = 4;

export function pictures(sets: readonly PictureSet[], source: PictureSource): Markup {
  const steps = evenly(sets, mostSteps);
  const names = [...new Set(steps.flatMap(({ files }) => files.map((file) => basename(file))))].sort();
  const shown = names.slice(0, mostNames);
  return html`${shown.map((name) => {
    const frames = steps.flatMap(({ step, files }) => {
      const file = files.find((path) => basename(path) === name);
      return file ? [frame(step, name, file, source)] : [];
    });
    return html`<h3>${name}</h3><div class="pictures" tabindex="0" role="region" aria-label="${name} over the steps">${frames}</div>\n`;
  })}
${
  (shown.length < names.length || steps.length < sets.length) &&
  html`<p>Shown are ${count(shown.length)} pictures at ${count(steps.length)} times; all ${count(sets.reduce((sum, { files }) => sum + files.length, 0))} lie in <code>pictures/</code> of the run folder.</p>`
}`;
}

function frame(step: number, name: string, file: string, source: PictureSource): Markup {
  const when = `after step ${count(step)}`;
  const address = source(file);
  const link = file.split('/').map(encodeURIComponent).join('/');
  const content: Content = address
    ? html`<img src="${address}" alt="${name} ${when}: truth and prediction as boxes" loading="lazy">`
    : html`<a href="${link}">${name} ${when}</a>`;
  return html`<figure>${content}<figcaption>${when}</figcaption></figure>`;
}

/** The first, the last, and evenly between. */
export function evenly<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from(
    { length: most },
    (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))] as T,
  );
}
