/**
 * Measures on data.val every `eval.every` epochs and at the end; remembers the best; leaves diagnosis.json and pictures in
 * the run folder. When those cannot be written, the run goes on without.
 */
import type { NativeDataset, NativeEvaluator, NativeLoader } from '../../native.ts';
import type { TrainContext } from '../context.ts';
import { drawStep, writeDiagnosis } from '../diagnosis.ts';
import { evaluatePass } from '../evaluate.ts';
import { openLoader } from '../setup.ts';
import type { Hook } from './hook.ts';

export interface EvaluateHook extends Hook {
  /** True when the run goes on from the end of an epoch that was left before it was measured. */
  missed(context: TrainContext): boolean;
  /** True when the evaluation of the last finished step was the best of the run so far. */
  isBest(): boolean;
  lastMetrics(): Record<string, unknown> | null;
  lastEvaluator(): NativeEvaluator | null;
  /** Paths of what was drawn after the last evaluation. */
  lastPictures(): string[];
}

/** What makes two evaluations comparable: the pictures and everything that the numbers depend on. */
export function measureOf({ recipe, valSet }: TrainContext): string {
  const { every: _every, pictures: _pictures, ...how } = recipe.eval;
  return valSet === null ? '' : `${valSet.digest} ${JSON.stringify(how)}`;
}

export function evaluateHook(): EvaluateHook {
  const nothing = { step: -1, best: -Infinity, bestStep: -1, measure: '' };
  const saved = { ...nothing };
  let current = -1;
  let metrics: Record<string, unknown> | null = null;
  let evaluator: NativeEvaluator | null = null;
  let pictures: string[] = [];
  let loader: NativeLoader | null = null;

  async function evaluate(context: TrainContext): Promise<void> {
    const { recipe, valSet } = context;
    if (!valSet) return;
    context.faults.at('evaluate', context.step);
    loader ??= openLoader(recipe, valSet, false, context.session.divisor);
    const result = await evaluatePass(recipe, context.session, valSet, loader, {
      progress(done) {
        context.emit({ type: 'progress', what: 'evaluating', done, total: valSet.length });
      },
      warn(message) {
        context.emit({ type: 'warning', message });
      },
      failed(samples, total) {
        context.emit({ type: 'bad-samples', split: 'val', samples, total });
      },
      signal: context.signal,
      fault: () => context.faults.pretended('evaluate', context.step),
    });
    metrics = result.metrics;
    evaluator = result.evaluator;
    const value = Number(metrics[recipe.eval.best] ?? Number.NaN);
    // -1: there was nothing to measure, which is the best of nothing.
    const best = value >= 0 && value > saved.best;
    if (best) Object.assign(saved, { best: value, bestStep: context.step });
    saved.step = context.step;
    context.emit({
      type: 'eval',
      step: context.step,
      epoch: context.epoch,
      eval: metrics,
      seconds: result.seconds,
      best,
    });
    await illustrate(context, valSet, result.evaluator);
  }

  async function illustrate(
    context: TrainContext,
    valSet: NativeDataset,
    found: NativeEvaluator,
  ): Promise<void> {
    const { folder, recipe, step } = context;
    pictures = [];
    try {
      await writeDiagnosis(folder, found, valSet.classes, step);
      // A program's pictures may be a stream, which gives each of them once a pass: the trainer draws them at the end.
      if (recipe.data.format !== 'source')
        pictures = await drawStep(folder, valSet, found, step, recipe.eval.pictures);
    } catch (error) {
      context.emit({
        type: 'warning',
        message: `no diagnosis or pictures of step ${step} (${(error as Error).message}): training goes on`,
      });
    }
  }

  /** Epoch ends that are measured; the end of the run always is. */
  function due(context: TrainContext): boolean {
    const { every } = context.recipe.eval;
    const { stepsPerEpoch, totalSteps } = context.timeline;
    if (context.step === totalSteps) return true;
    return every > 0 && context.step % stepsPerEpoch === 0 && (context.step / stepsPerEpoch) % every === 0;
  }

  return {
    name: 'evaluate',
    missed: (context) =>
      context.valSet !== null && context.step > 0 && saved.step !== context.step && due(context),
    isBest: () => saved.bestStep === current,
    lastMetrics: () => metrics,
    lastEvaluator: () => evaluator,
    lastPictures: () => pictures,
    onStart(context) {
      current = context.step;
      const measure = measureOf(context);
      if (saved.best > -Infinity && saved.measure !== measure) {
        Object.assign(saved, { ...nothing, step: saved.step });
        context.emit({
          type: 'warning',
          message:
            'eval or data.val has changed since the last start: earlier evaluations no longer count for the best checkpoint and train.earlyStop',
        });
      }
      saved.measure = measure;
    },
    afterStep(context) {
      current = context.step;
    },
    async afterEpoch(context) {
      if (due(context)) await evaluate(context);
    },
    onEnd() {
      loader?.close();
    },
    state: () => ({ ...saved, best: Number.isFinite(saved.best) ? saved.best : null }),
    restore(state) {
      const given = state as { step: number; best: number | null; bestStep: number };
      Object.assign(saved, given, { best: given.best ?? -Infinity });
    },
  };
}
