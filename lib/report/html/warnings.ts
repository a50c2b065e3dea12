/** What the run warned of, and the pictures that it could not use. */
import { count } from '../format.ts';
import type { Notices } from '../run/notices.ts';
import { html, type Markup, table } from './markup.ts';

/** Rows that are shown; metrics.jsonl has all. */
const most = 50;

/** Null when there was neither. `trouble`: why what is shown may be old. */
export function warnings({ warnings: all, pictures }: Notices, trouble = ''): Markup | null {
  if (all.length === 0 && pictures.length === 0 && trouble === '') return null;
  const old =
    trouble !== '' &&
    html`<p>The folder of the run cannot be read (${trouble}): what stands here is older.</p>`;
  return html`${old}${all.length > 0 && warningTable(all)}${pictures.length > 0 && pictureTable(pictures)}`;
}

function warningTable(all: Notices['warnings']): Markup {
  const columns = [{ title: 'what' }, { title: 'step', numeric: true }, { title: 'times', numeric: true }];
  const rows = all
    .slice(-most)
    .map(({ message, first, last, times }) => [
      message,
      first === last ? count(first) : `${count(first)}–${count(last)}`,
      count(times),
    ]);
  return html`${table('Warnings', columns, rows)}${left(all.length)}`;
}

function pictureTable(all: Notices['pictures']): Markup {
  const columns = [{ title: 'picture' }, { title: 'of' }, { title: 'why' }];
  const rows = all.slice(0, most).map(({ file, split, why }) => [file, `data.${split}`, why]);
  return html`${table('Pictures that could not be used', columns, rows)}${left(all.length)}`;
}

function left(all: number): Markup | false {
  return all > most && html`<p class="quiet">${count(all - most)} more stand in metrics.jsonl.</p>`;
}
