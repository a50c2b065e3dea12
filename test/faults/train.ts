/** A training inside the test's own process: what a command does, in a fraction of its time. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HdError } from '../../lib/error.ts';
import { loadRecipe } from '../../lib/recipe/index.ts';
import type { TrainEvent } from '../../lib/trainer/events.ts';
import { Trainer, type TrainerOptions, type TrainResult } from '../../lib/trainer/trainer.ts';

export interface Ended {
  result: TrainResult | undefined;
  /** What ended the run; anything but an HdError is thrown on. */
  error: HdError | undefined;
  events: TrainEvent[];
  /** The sentences of warnings and skipped steps, one a line. */
  said: string;
}

/** Starts, or goes on with, the run in `into`. `fault`: for debug.fault. */
export async function train(
  recipe: string,
  into: string,
  { fault, set = [], ...options }: TrainerOptions & { fault?: string; set?: string[] } = {},
): Promise<Ended> {
  const all = fault === undefined ? set : [`debug.fault=${fault}`, ...set];
  const events: TrainEvent[] = [];
  const ended: Ended = { result: undefined, error: undefined, events, said: '' };
  try {
    const run = new Trainer(loadRecipe(recipe, { set: all }), {
      run: into,
      resume: 'auto',
      ...options,
    }).run();
    for await (const event of run) events.push(event);
    ended.result = await run;
  } catch (error) {
    if (!(error instanceof HdError)) throw error;
    ended.error = error;
  }
  ended.said = events.flatMap((event) => ('message' in event ? [event.message] : [])).join('\n');
  return ended;
}

export const weightsOf = (into: string) => readFileSync(join(into, 'student.safetensors'));

export const metricsOf = (into: string) =>
  readFileSync(join(into, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
