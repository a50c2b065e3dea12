/** Ends the run when `train.earlyStop.patience` evaluations in a row brought no progress. */
import type { TrainContext } from '../context.ts';
import type { TrainEvent } from '../events.ts';
import { measureOf } from './evaluate.ts';
import type { Hook } from './hook.ts';

export function earlyStopHook(): Hook {
  const nothing = { best: -Infinity, bestStep: 0, without: 0, measure: '' };
  const saved = { ...nothing };
  let run: TrainContext | undefined;

  function stopWhenDue(): void {
    const { earlyStop } = run?.recipe.train ?? {};
    if (!run || !earlyStop || saved.without < earlyStop.patience) return;
    run.stop(
      `stopped early: ${saved.without} evaluations without more than ${saved.best.toFixed(4)} ${run.recipe.eval.best} (step ${saved.bestStep})`,
    );
  }

  return {
    name: 'early-stop',
    onStart(context) {
      run = context;
      const measure = measureOf(context);
      if (saved.measure !== measure) Object.assign(saved, nothing, { measure });
      stopWhenDue(); // a finished run that is resumed
    },
    onEvent(event: TrainEvent) {
      const { earlyStop } = run?.recipe.train ?? {};
      if (event.type !== 'eval' || !run || !earlyStop) return;
      const value = Number(event.eval[run.recipe.eval.best] ?? Number.NaN);
      if (value > saved.best + (saved.best === -Infinity ? 0 : earlyStop.minDelta))
        Object.assign(saved, { best: value, bestStep: event.step, without: 0 });
      else saved.without += 1;
      stopWhenDue();
    },
    state: () => ({ ...saved, best: Number.isFinite(saved.best) ? saved.best : null }),
    restore(state) {
      const given = state as { best: number | null };
      Object.assign(saved, given, { best: given.best ?? -Infinity });
    },
  };
}
