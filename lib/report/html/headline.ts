/** What the reader sees first: how good, how far, and whether something went wrong. */
import { clock, count, metric, percent } from '../format.ts';
import type { RunReader } from '../run/run-reader.ts';
import type { RunStatus } from '../run/status.ts';
import { type Content, html, type Markup } from './markup.ts';

/** `ap50` and `apSmall` as people write them: AP50, AP small. */
export function metricTitle(name: string): string {
  const [, kind = '', rest = name] = /^a([pr])(.*)$/.exec(name) ?? [];
  const words = rest.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return kind === '' ? words : `A${kind.toUpperCase()}${words}`;
}

export function stateOf({ state, note, totalSteps, step }: RunStatus): string {
  if (state === 'running') return 'training';
  if (state === 'done') return note === '' ? 'done' : note;
  return `${state} at step ${count(step)} of ${count(totalSteps)}${note === '' ? '' : `: ${note}`}`;
}

export function headline(run: RunReader): Markup {
  const { status, history } = run;
  const name = status?.best ?? 'ap';
  const { bestEvaluation: best, lastEvaluation: last } = history;
  const step = Math.max(status?.step ?? 0, history.lastStep?.step ?? 0);
  const figures: [title: string, value: Content, more: Content][] = [];
  const title = metricTitle(name);
  if (best) figures.push([`Best ${title}`, metric(best.numbers[name]), `at step ${count(best.step)}`]);
  if (last) figures.push([`Last ${title}`, metric(last.numbers[name]), `at step ${count(last.step)}`]);
  for (const other of ['ap50', 'ap75'].filter((key) => key !== name && best && key in best.numbers))
    figures.push([`${metricTitle(other)} of the best`, metric(best?.numbers[other]), null]);
  figures.push(['Steps', count(step), status && `of ${count(status.totalSteps)}`]);
  if (status) figures.push(['Elapsed', clock(status.elapsed), null]);
  const running = status?.state === 'running';
  if (running && history.lastStep) figures.push(['To go', clock(history.lastStep.eta), null]);
  if (history.lastStep) {
    const wait = history.curves.get('dataWait')?.last?.[1];
    figures.push(['Pictures a second', history.lastStep.imagesPerSecond.toFixed(1), null]);
    if (wait !== undefined) figures.push(['Waiting for data', percent(wait), 'of the time']);
  }
  return html`${state(status)}
<dl class="figures">${figures.map(([term, value, more]) => html`<div><dt>${term}</dt><dd>${value} <small>${more}</small></dd></div>\n`)}</dl>
${status && status.totalSteps > 0 && html`<progress aria-label="Steps done" max="${status.totalSteps}" value="${step}"></progress>`}
${history.diverged > 0 && html`<p class="bad">${count(history.diverged)} steps were left out because a number was not finite.</p>`}
${!last && html`<p>Not measured yet.</p>`}
${status && description(status)}`;
}

function state(status: RunStatus | null): Markup {
  if (!status) return html`<p>No status.json in this folder: only what metrics.jsonl tells is shown.</p>`;
  const kind = { running: '', done: 'good', interrupted: 'bad', failed: 'bad' }[status.state];
  return html`<p><strong class="${kind}">${stateOf(status)}</strong> <span class="quiet">written <time datetime="${status.written}">${status.written.slice(0, 19).replace('T', ' ')} UTC</time></span></p>`;
}

function description(status: RunStatus): Markup {
  return html`<p class="quiet">Recipe ${status.recipe}: ${count(status.trainImages)} pictures to learn from, ${count(status.valImages)} to measure on, ${count(status.classes)} classes; ${count(status.parameters)} parameters, ${status.precision}, ${count(status.threads)} threads.</p>`;
}
