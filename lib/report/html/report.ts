/** The report of one run: what matters most comes first. The same sections make report.html and the page of `view`. */
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { count } from '../format.ts';
import type { RunReader } from '../run/run-reader.ts';
import { curves } from './curves.ts';
import { confusion, errorKinds } from './diagnosis.ts';
import { classTable, sizeTables } from './evaluation.ts';
import { headline } from './headline.ts';
import { html, Markup } from './markup.ts';
import { headlineId, page, type Section } from './page.ts';
import { type PictureSource, pictures } from './pictures.ts';
import { precisionCurves } from './precision.ts';
import { recipe } from './recipe.ts';
import { cursorScript } from './script.ts';
import { warnings } from './warnings.ts';

export function reportSections(run: RunReader, source: PictureSource): Section[] {
  const { history, diagnosis, status } = run;
  const evaluation = history.lastEvaluation;
  const hasClasses = evaluation !== null && evaluation.perClass.length > 0;
  const classes = hasClasses ? classTable(evaluation, diagnosis) : null;
  const of = diagnosis && html`<p class="quiet">Of the network after step ${count(diagnosis.step)}.</p>`;
  const all: [id: string, title: string, body: Markup | null | false][] = [
    [headlineId, 'Headline', headline(run)],
    ['warnings', 'Warnings', warnings(history.notices, run.trouble)],
    ['curves', 'Curves', curves(history)],
    ['classes', 'Classes', classes],
    ['sizes', 'Sizes of objects', sizeTables(evaluation, diagnosis)],
    ['precision', 'Precision and recall', diagnosis && html`${of}${precisionCurves(diagnosis)}`],
    ['confusion', 'What is taken for what', diagnosis && html`${of}${confusion(diagnosis)}`],
    ['errors', 'Kinds of errors', diagnosis && html`${of}${errorKinds(diagnosis)}`],
    ['pictures', 'Pictures', run.pictures.length > 0 && pictures(run.pictures, source)],
    ['recipe', 'Recipe', (run.recipe !== '' || status !== null) && recipe(run)],
  ];
  return all.flatMap(([id, title, body]) => (body ? [{ id, title, body }] : []));
}

/** Bytes of pictures that a report carries within; others are links. */
const pictureBudget = 3_000_000;

export function reportPage(run: RunReader): string {
  let left = pictureBudget;
  const embed: PictureSource = (file) => {
    const path = join(run.path, file);
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? Infinity;
    if (size > left) return null;
    left -= size;
    const kind = extname(file).toLowerCase() === '.png' ? 'png' : 'jpeg';
    // Long, and without a character to escape.
    return new Markup(`data:image/${kind};base64,${readFileSync(path).toString('base64')}`);
  };
  return page({ title: run.name, scripts: [cursorScript], sections: reportSections(run, embed) });
}

/** Readers see the old file or the new one, never a half. A report is made again any time: it is not worth an fsync. */
export function writeWhole(path: string, text: string): void {
  // The name that RunFolder.open() clears away after a kill.
  const draft = `${path}.tmp-${process.pid}`;
  try {
    writeFileSync(draft, text);
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}
