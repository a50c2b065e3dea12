/** Turns events into lines for people: one live line on a terminal, plain lines elsewhere, JSON lines with --json. */
import { styleText } from 'node:util';
import type { EvaluationEvent, FetchEvent, StartEvent, StepEvent, TrainEvent } from '../trainer/events.ts';
import { describeTeacher } from '../trainer/teachers.ts';
import { bytes, clock, count, metric, percent } from './format.ts';
import { classTable } from './tables.ts';

export interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface ConsoleOptions {
  json?: boolean;
  out?: Output;
}

/** @returns a function that shows an event. */
export function consoleReporter({
  json = false,
  out = process.stdout,
}: ConsoleOptions = {}): (event: TrainEvent) => void {
  if (json)
    return (event) =>
      event.type !== 'progress' && event.type !== 'fetch' && out.write(`${JSON.stringify(event)}\n`);
  const live = out.isTTY === true;
  const bold = (text: string) => (live ? styleText('bold', text) : text);
  let liveShown = false;
  let totalSteps = 0;

  function line(text: string): void {
    out.write(`${liveShown ? '\r\x1b[K' : ''}${text}\n`);
    liveShown = false;
  }
  function liveLine(text: string): void {
    out.write(`\r\x1b[K${text.slice(0, (out.columns ?? 100) - 1)}`);
    liveShown = true;
  }
  /** Steps are a live line on a terminal; what stays in the scroll-back is one line an epoch (its evaluation). */
  function progress(text: string): void {
    if (live) liveLine(text);
    else line(text);
  }

  return (event) => {
    switch (event.type) {
      case 'start':
        totalSteps = event.totalSteps;
        for (const text of startLines(event)) line(text);
        break;
      case 'step':
        progress(stepLine(event, totalSteps));
        break;
      case 'progress':
        if (live) liveLine(`evaluating ${event.done}/${event.total}`);
        break;
      case 'fetch':
        if (live) liveLine(fetchLine(event));
        else if (event.ready === event.shards) line(fetchLine(event));
        break;
      case 'eval':
        line(bold(evaluationLine(event)));
        break;
      case 'checkpoint':
        break;
      case 'bad-samples':
        for (const { file, code, message } of event.samples)
          line(`skipped ${file}${event.split === 'val' ? ' of data.val' : ''}: ${message} [${code}]`);
        break;
      case 'diverged':
        line(
          `warning: step ${event.step} was left out (${event.inARow} in a row${event.action === 'rollback' ? `; back to the weights of step ${event.to}` : ''}): ${event.message}`,
        );
        break;
      case 'warning':
        line(`warning: ${event.message}`);
        break;
      case 'end':
        line(
          event.status === 'done'
            ? `done in ${clock(event.seconds)}: ${event.weights}`
            : `interrupted after step ${event.step}`,
        );
        break;
    }
  };
}

export function fetchLine({ ready, shards, bytes: arrived, waiting }: FetchEvent): string {
  const other = waiting ? ', waiting for another process' : '';
  return `fetching shards: ${ready} of ${shards}, ${bytes(arrived)}${other}`;
}

function startLines(event: StartEvent): string[] {
  const lines = [
    `${event.recipe}: ${count(event.trainImages)} pictures to learn from, ${count(event.valImages)} to measure on, ${event.classes.length} classes (${event.classes.slice(0, 6).join(', ')}${event.classes.length > 6 ? ', …' : ''})`,
    `${count(event.parameters)} parameters, ${count(event.trainableParameters)} learning; ${event.precision}, ${event.threads} threads; canvases ${event.canvases.map(([h, w]) => `${w}×${h}`).join(' ')}`,
  ];
  if (event.weights) {
    const { path, matched, missing, unexpected } = event.weights;
    lines.push(
      `weights ${path}: ${matched.length} tensors matched, ${missing.length} missing, ${unexpected.length} not used`,
    );
  } else if (event.step === 0) {
    lines.push('from scratch: no model.weights; expect many more epochs than a fine-tuned model needs');
  }
  lines.push(...event.teachers.map(describeTeacher));
  for (const [code, number] of Object.entries(event.findings))
    lines.push(`data: ${number} × ${code} (details: hdtrain check)`);
  for (const warning of event.warnings) lines.push(`warning: ${warning}`);
  lines.push(
    `${event.step > 0 ? `going on from step ${event.step}` : 'starting'}: ${count(event.totalSteps)} steps of ${count(event.stepsPerEpoch)} an epoch, into ${event.run}`,
  );
  return lines;
}

function stepLine(event: StepEvent, totalSteps: number): string {
  const { total = Number.NaN, ...terms } = event.losses;
  const share = (name: string) => (event.shares?.[name] ? ` ${percent(event.shares[name].gradient)}` : '');
  const each = Object.entries(terms).map(([name, value]) => `${name} ${value.toFixed(3)}${share(name)}`);
  return `epoch ${event.epoch + 1}  step ${event.step}/${totalSteps}  loss ${total.toFixed(3)} (${each.join(' ')})  lr ${event.lr.toPrecision(3)}  ${event.imagesPerSecond.toFixed(1)} img/s  data-wait ${percent(event.dataWait)}${agreementOf(event)}  ETA ${clock(event.eta)}`;
}

/** `agree 83 % KL 0.41` of each teacher: equal likeliest classes, mean divergence of the box sides. */
function agreementOf({ agreement = [] }: StepEvent): string {
  const parts = agreement.map(({ sameClass, sides, cache }) => [
    ...(sameClass === undefined ? [] : [percent(sameClass)]),
    ...(sides ? [`KL ${(sides.reduce((a, b) => a + b, 0) / sides.length).toFixed(2)}`] : []),
    ...(cache ? [`cached ${percent(cache.hits / (cache.hits + cache.misses))}`] : []),
  ]);
  const shown = parts.filter((part) => part.length > 0).map((part) => part.join(' '));
  return shown.length > 0 ? `  agree ${shown.join(', ')}` : '';
}

function evaluationLine({ epoch, eval: metrics, seconds, best }: EvaluationEvent): string {
  return `epoch ${epoch + 1}  AP ${metric(metrics.ap)}  AP50 ${metric(metrics.ap50)}  AP75 ${metric(metrics.ap75)}${best ? '  best so far' : ''}  (${clock(seconds)})`;
}

/** The per-class table of an evaluation, as lines. */
export function evaluationTable(metrics: Record<string, unknown>): string {
  return classTable((metrics.perClass ?? []) as Record<string, unknown>[]);
}
