/** metrics.jsonl: one JSON object a line. A resume cuts it back to the checkpoint, so that no step stands twice. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { native } from '../native.ts';
import type { TrainEvent } from './events.ts';
import type { Hook } from './hooks/hook.ts';

/** Keeps the complete lines up to a step. */
export function cutMetrics(path: string, step: number): void {
  if (!existsSync(path)) return;
  const kept = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => {
      const of = parsed(line)?.step;
      return Number.isInteger(of) && (of as number) <= step;
    });
  native().writeFile(path, kept.map((line) => `${line}\n`).join(''));
}

/** Metrics of the last evaluation in the file, or of the one after `step` steps; null when there was none. */
export function lastEvaluation(path: string, step: number | null): Record<string, unknown> | null {
  if (!existsSync(path)) return null;
  const evaluations = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{"type":"eval"'))
    .map(parsed);
  const [last] = evaluations.filter((event) => event && (step === null || event.step === step)).slice(-1);
  return last?.eval ?? null;
}

/** Null for the end, and for the line that a killed process was writing. */
function parsed(line: string): { step?: unknown; eval?: Record<string, unknown> } | null {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/**
 * Writes what happened: steps, evaluations, steps left out, warnings, pictures that could not be used. Losing a line to a full
 * disk must not stop a run: it is told once instead.
 */
export function metricsHook(path: string, warn: (message: string) => void): Hook {
  let failed = false;
  return {
    name: 'metrics',
    onEvent(event: TrainEvent) {
      const lines = linesOf(event).map((line) => `${JSON.stringify(line)}\n`);
      try {
        if (lines.length > 0) appendFileSync(path, lines.join(''));
      } catch (error) {
        if (failed) return;
        failed = true; // before it is told: a warning is a line too
        warn(`cannot append to ${path}: ${(error as Error).message}`);
      }
    },
  };
}

const kept = new Set<TrainEvent['type']>(['step', 'eval', 'diverged', 'warning', 'bad-samples']);

function linesOf(event: TrainEvent): TrainEvent[] {
  if (event.type === 'start')
    return event.warnings.map((message) => ({ type: 'warning', message, step: event.step }));
  return kept.has(event.type) ? [event] : [];
}
