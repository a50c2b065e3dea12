/**
 * report.html and status.json in the run folder, while the run goes on and at its end. Both are made from what else lies
 * there (lib/report/run/run-reader.ts), so this hook runs behind those that write pictures and diagnosis.json.
 */
import { existsSync } from 'node:fs';
import { loadRecipe, type RecipeInput, resolveRecipe } from '../../recipe/index.ts';
import type { Recipe } from '../../recipe/schema/root.ts';
import { reportPage, writeWhole } from '../../report/html/report.ts';
import { type Change, differences } from '../../report/run/differences.ts';
import { RunReader } from '../../report/run/run-reader.ts';
import type { RunStatus } from '../../report/run/status.ts';
import type { TrainContext } from '../context.ts';
import type { StartEvent, TrainEvent } from '../events.ts';
import type { Hook } from './hook.ts';

/** Seconds between reports, and after an evaluation; at least so many times what the last one took. */
const pause = { steps: 10, evaluation: 1, timesCost: 50 };

export function reportHook(warn: (message: string) => void, now = () => performance.now() / 1000): Hook {
  let run: {
    context: TrainContext;
    reader: RunReader;
    changes: Pick<RunStatus, 'fromDefaults' | 'sinceStart'>;
  };
  let started: StartEvent | undefined;
  let state: RunStatus['state'] = 'running';
  let elapsed = 0;
  let since = now();
  let written = { at: -Infinity, cost: 0 };
  let measured = false;
  let failed = false;

  const seconds = () => elapsed + now() - since;

  function statusOf({ recipe, step, timeline, stopped, error }: TrainContext): RunStatus {
    return {
      format: 1,
      recipe: started?.recipe ?? '',
      state,
      note:
        state === 'failed' ? (error instanceof Error ? error.message : String(error ?? '')) : (stopped ?? ''),
      step,
      totalSteps: timeline.totalSteps,
      stepsPerEpoch: timeline.stepsPerEpoch,
      elapsed: seconds(),
      written: new Date().toISOString(),
      best: recipe.eval.best,
      trainImages: started?.trainImages ?? 0,
      valImages: started?.valImages ?? 0,
      classes: started?.classes.length ?? 0,
      parameters: started?.parameters ?? 0,
      precision: started?.precision ?? '',
      threads: started?.threads ?? 0,
      ...run.changes,
    };
  }

  /** A report that cannot be written must not end a run: it is told once. */
  function write(): void {
    const { context, reader } = run;
    const begin = now();
    try {
      writeWhole(context.folder.file('status.json'), `${JSON.stringify(statusOf(context), null, 1)}\n`);
      reader.refresh();
      writeWhole(context.folder.file('report.html'), reportPage(reader));
    } catch (error) {
      if (!failed) warn(`cannot write the report: ${(error as Error).message}; the run goes on`);
      failed = true;
    }
    measured = false;
    written = { at: now(), cost: now() - begin };
  }

  function writeWhenDue(): void {
    const wait = Math.max(measured ? pause.evaluation : pause.steps, pause.timesCost * written.cost);
    if (now() - written.at >= wait) write();
  }

  return {
    name: 'report',
    onStart(context) {
      since = now();
      const { recipe, folder } = context;
      if (!recipe.log.report) return;
      run = {
        context,
        reader: new RunReader(folder.path),
        changes: {
          fromDefaults: fromDefaults(recipe),
          sinceStart: sinceStart(folder.firstRecipe(), recipe),
        },
      };
      write();
    },
    onEvent(event: TrainEvent) {
      if (event.type === 'start') started = event;
      if (event.type === 'eval') measured = true;
      // The last pictures are drawn after onEnd.
      if (event.type === 'end' && run) write();
    },
    afterStep() {
      if (run) writeWhenDue();
    },
    afterEpoch() {
      if (run) writeWhenDue();
    },
    onEnd(context) {
      state = context.status;
      if (run) write();
    },
    state: () => ({ elapsed: seconds() }),
    restore(saved) {
      elapsed = (saved as { elapsed: number }).elapsed;
    },
  };
}

/** What the run folder says the run began with, against what goes on. */
function sinceStart(path: string, recipe: Recipe): Change[] {
  if (!existsSync(path)) return [];
  try {
    return differences(loadRecipe(path).recipe, recipe);
  } catch {
    return []; // written by another version
  }
}

function fromDefaults(recipe: Recipe): Change[] {
  try {
    const defaults = resolveRecipe({ data: recipe.data } as RecipeInput);
    return differences(defaults.recipe, recipe);
  } catch {
    return []; // data that needs more than the defaults
  }
}
