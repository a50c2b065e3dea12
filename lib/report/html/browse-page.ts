/** index.html of `browse`: the drawn pictures in a grid, what each is, and which colour is which class. */
import { count } from '../format.ts';
import { type Content, html, Markup } from './markup.ts';
import { headlineId, page } from './page.ts';

export interface BrowsedPicture {
  /** File of the drawn picture, beside the page. */
  name: string;
  /** What it was made of. */
  file: string;
  epoch: number;
  step: number;
  /** Classes of its boxes. */
  labels: readonly number[];
  /** Width and height of the canvas. */
  size: readonly [number, number];
}

export interface Browsed {
  recipe: string;
  split: 'train' | 'val';
  pictures: readonly BrowsedPicture[];
  classes: readonly string[];
  /** By class; below 0: of what is left out of training. */
  colourOf: (label: number) => string;
  /** Steps of `data.augment`: each one name and its fields. */
  augment: readonly object[];
}

export function browsePage({ recipe, split, pictures, classes, colourOf, augment }: Browsed): string {
  const boxes = pictures.reduce((sum, { labels }) => sum + labels.length, 0);
  const headline = html`<p>${count(pictures.length)} pictures of <code>data.${split}</code> with ${count(boxes)} boxes, as the network gets them.</p>
${split === 'val' ? html`<p>They are not augmented.</p>` : steps(augment)}`;
  const sections = [
    { id: headlineId, title: 'What is shown', body: headline },
    { id: 'classes', title: 'Classes', body: legend(pictures, classes, colourOf) },
    { id: 'pictures', title: 'Pictures', body: grid(pictures) },
  ];
  // The pictures lie beside the page: thousands of them would be too much within.
  return page({ title: `${recipe}, browsed`, scripts: [], sections, allow: "img-src data: 'self' file:" });
}

function steps(augment: readonly object[]): Markup {
  const all = augment.flatMap((step) => Object.entries(step) as [string, Record<string, unknown>][]);
  if (all.length === 0) return html`<p>They are not augmented: <code>data.augment</code> is empty.</p>`;
  const fields = (step: Record<string, unknown>) =>
    Object.entries(step ?? {}).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return html`<p>Each went through <code>data.augment</code>:</p>
<ol>${all.map(([name, step]) => html`<li>${name} <span class="quiet">${fields(step).join(', ')}</span></li>\n`)}</ol>`;
}

function legend(
  pictures: readonly BrowsedPicture[],
  classes: readonly string[],
  colourOf: Browsed['colourOf'],
) {
  const times = new Map<number, number>();
  for (const label of pictures.flatMap(({ labels }) => labels)) times.set(label, (times.get(label) ?? 0) + 1);
  const shown = [...times.keys()].sort((a, b) => a - b);
  const entry = (label: number, name: Content) => {
    const colour = new Markup(colourOf(label));
    return html`<li><span class="swatch" style="--colour:${colour}" aria-hidden="true"></span>${name}</li>\n`;
  };
  const named = new Set(shown.map(colourOf)).size < shown.length;
  return html`<ul class="legend">${shown.map((label) => entry(label, html`${classes[label] ?? label} <span class="quiet">${count(times.get(label) ?? 0)}</span>`))}
${entry(-1, 'left out of training')}</ul>
${named && html`<p>There are more classes than colours: the name stands at each box.</p>`}
${shown.length < classes.length && html`<p>${count(classes.length - shown.length)} of ${count(classes.length)} classes are in none of these pictures.</p>`}`;
}

function grid(pictures: readonly BrowsedPicture[]): Markup {
  if (pictures.length === 0) return html`<p>There is no picture.</p>`;
  return html`<div class="grid-of-pictures">${pictures.map(
    ({ name, file, epoch, step, labels, size: [width, height] }) => {
      const boxes = `${count(labels.length)} ${labels.length === 1 ? 'box' : 'boxes'}`;
      return html`<figure><a href="${name}"><img src="${name}" alt="${file} with ${boxes}" width="${width}" height="${height}" loading="lazy"></a>
<figcaption><span class="file">${file}</span>epoch ${epoch}, step ${count(step)} · ${boxes} · ${width} × ${height}</figcaption></figure>\n`;
    },
  )}</div>`;
}
