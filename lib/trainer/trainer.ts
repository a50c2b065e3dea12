/**
 * The training loop: the file to read first.
 *
 * A run is: open the data, make the session, restore or load weights, then one native call per optimiser step. What
 * changes with the step (learning rate, EMA decay) is computed here as a pure function of the step number. Everything
 * else that happens around steps is a hook.
 */
import { existsSync, rmSync } from 'node:fs';
import { HdError } from '../error.ts';
import { type NativeDataset, native } from '../native.ts';
import { type LoadedRecipe, resolveRecipe } from '../recipe/load.ts';
import type { Recipe, RecipeInput } from '../recipe/schema/root.ts';
import { averageDecay } from './average.ts';
import type { TrainContext } from './context.ts';
import { drawStep } from './diagnosis.ts';
import { precisionOf, threadsOf } from './digest.ts';
import { EventQueue } from './event-queue.ts';
import type { TrainEvent } from './events.ts';
import { Faults } from './faults.ts';
import { checkpointHook } from './hooks/checkpoint.ts';
import { earlyStopHook } from './hooks/early-stop.ts';
import { type EvaluateHook, evaluateHook } from './hooks/evaluate.ts';
import type { Hook } from './hooks/hook.ts';
import { reportHook } from './hooks/report.ts';
import { StepTaker } from './hooks/steps.ts';
import { tensorboardHook } from './hooks/tensorboard.ts';
import { transferHook } from './hooks/transfers.ts';
import { closeOnAbort, isInterrupt, orAbort } from './interrupt.ts';
import { StepMeter } from './meter.ts';
import { cutMetrics, metricsHook } from './metrics-file.ts';
import { openSession } from './open.ts';
import { type ResumeMode, RunFolder, readCheckpoint } from './run-folder.ts';
import { baseLearningRate, groupRates, learningRate } from './schedule.ts';
import { checkClasses, classNames, openData, openLoader } from './setup.ts';
import { openSource, type Source } from './source.ts';
import {
  exportStudent,
  initialWeights,
  nextRunFolder,
  restore,
  silentEnd,
  tellStatistics,
  timelineOf,
} from './start.ts';
import type { Stream } from './stream.ts';
import { verifyTeachers } from './verify.ts';

export interface TrainerOptions {
  /** The run folder. Default: runs/<recipe name>-<n> under the current directory. */
  run?: string;
  /** 'never' (default) refuses a used folder; 'auto' starts, resumes or returns at once; else a checkpoint's folder. */
  resume?: ResumeMode;
  /**
   * Finishes the step, saves and ends with status 'interrupted'. An evaluation is left, to be made up for on resume; what
   * does not come within seconds (pictures, files of the web, an index) is not waited for.
   */
  signal?: AbortSignal;
  /** Called beside hdtrain's own: behind evaluation and checkpoints, before what writes the report. */
  hooks?: Hook[];
  /** Pictures from the program, for data.format 'source'. */
  sources?: { train: Source; val?: Source };
}

export interface TrainResult {
  /** 'interrupted' after a stop by `signal`: start again with resume 'auto'. */
  status: 'done' | 'interrupted';
  /** The run folder. */
  run: string;
  /** Finished optimiser steps. */
  step: number;
  /** student.safetensors; it exists when status is 'done'. */
  weights: string;
  /** The last evaluation; null without data.val. */
  metrics: Record<string, unknown> | null;
  /** Drawn examples of validation, predicted against true boxes; paths. */
  pictures: string[];
}

/** A running training: await it for the result, iterate over it for events. */
export interface TrainRun extends PromiseLike<TrainResult>, AsyncIterable<TrainEvent> {}

export class Trainer {
  readonly recipe: Recipe;
  readonly #name: string;
  readonly #yaml: string;
  readonly #warnings: readonly string[];
  readonly #options: TrainerOptions;

  /** @param recipe what loadRecipe returned, or a plain object in the recipe language. @throws RecipeError */
  constructor(recipe: LoadedRecipe | RecipeInput, options: TrainerOptions = {}) {
    const loaded = 'yaml' in recipe ? (recipe as LoadedRecipe) : resolveRecipe(recipe as RecipeInput);
    this.recipe = loaded.recipe;
    this.#name = loaded.name;
    this.#yaml = loaded.yaml;
    this.#warnings = loaded.warnings;
    this.#options = options;
  }

  run(): TrainRun {
    const events = new EventQueue<TrainEvent>();
    const result = this.#run((event) => events.push(event));
    result.then(
      () => events.end(),
      (error: unknown) => events.fail(error),
    );
    // biome-ignore lint/suspicious/noThenProperty: a run is awaited for its result and iterated for its events
    return { then: result.then.bind(result), [Symbol.asyncIterator]: () => events[Symbol.asyncIterator]() };
  }

  async #run(tell: (event: TrainEvent) => void): Promise<TrainResult> {
    const startedAt = performance.now();
    const { resume = 'never', signal = new AbortController().signal } = this.#options;
    const folder = new RunFolder(this.#options.run ?? nextRunFolder(this.#name));
    if (resume === 'never' && folder.used) {
      throw new HdError(
        'HD_RUN_NOT_EMPTY',
        `expected an empty run folder for --run but ${folder.path} holds a run: add --resume auto to go on with it, or choose another folder`,
        folder.path,
      );
    }
    folder.open();
    // A start that is refused leaves nothing that would count as a run.
    let begun = false;
    let step = 0;
    const closers: (() => void)[] = [() => (begun ? folder.close() : folder.abandon())];
    try {
      const checkpoint =
        resume === 'never' ? null : resume === 'auto' ? folder.latest() : readCheckpoint(resume);
      step = checkpoint?.state.step ?? 0;
      const { trainSet, valSet, stream, close } = await this.#openData(tell, signal);
      closers.push(close);
      const opened = await orAbort(openSession(this.recipe, trainSet), signal);
      const { session, teachers, warnings: remarks } = opened;
      closers.push(() => session.close());
      const loader = openLoader(this.recipe, trainSet, true, session.divisor, stream !== null);
      closers.push(() => loader.close());
      const timeline = timelineOf(this.recipe, loader);
      const evaluate = evaluateHook();
      const steps = new StepTaker();
      const hooks: Hook[] = [
        metricsHook(folder.file('metrics.jsonl'), (message) => context.emit({ type: 'warning', message })),
        steps,
        evaluate,
        earlyStopHook(),
        checkpointHook(evaluate.isBest),
        transferHook((message) => context.emit({ type: 'warning', message })),
        ...(this.#options.hooks ?? []),
        // Behind all that writes what these show.
        tensorboardHook((message) => context.emit({ type: 'warning', message })),
        reportHook((message) => context.emit({ type: 'warning', message })),
      ];
      const context: TrainContext = {
        recipe: this.recipe,
        folder,
        session,
        trainSet,
        valSet,
        loader,
        stream,
        timeline,
        faults: new Faults(this.recipe.debug.fault),
        signal,
        step,
        epoch: checkpoint?.state.epoch ?? 0,
        status: 'running',
        stopped: null,
        stop(why) {
          context.stopped ??= why;
        },
        emit(given) {
          const dated = given.type === 'warning' || given.type === 'bad-samples';
          const event = dated ? { ...given, step: context.step } : given;
          for (const hook of hooks) hook.onEvent?.(event);
          tell(event);
        },
        hookStates: () =>
          Object.fromEntries(hooks.flatMap((hook) => (hook.state ? [[hook.name, hook.state()]] : []))),
      };
      if (checkpoint && context.step >= timeline.totalSteps && existsSync(folder.weights))
        return this.#finished(context);
      const silence = silentEnd(folder);
      const warnings = [...this.#warnings, ...remarks, ...(silence ? [silence] : [])];
      if (checkpoint && stream && !stream.exact)
        warnings.push(
          'the source has no start(place): this resumed run sees its samples from the first on again',
        );
      let weights: Awaited<ReturnType<typeof initialWeights>>;
      if (checkpoint) {
        await restore(context, checkpoint, hooks, warnings);
        folder.goOnFrom(checkpoint);
      } else {
        weights = await initialWeights(context);
        await verifyTeachers(this.recipe, session, valSet, teachers, {
          warn: (message) => warnings.push(message),
          signal,
        });
      }
      if (checkpoint) {
        const former = folder.writeRecipe(this.#yaml);
        if (former !== null)
          warnings.push(
            `the recipe has changed since this run began: recipe.yaml is the new one, the former stays as ${former}`,
          );
      } else {
        native().writeFile(folder.file('recipe.yaml'), this.#yaml);
      }
      rmSync(folder.weights, { force: true }); // of a course that ended earlier
      begun = true;
      cutMetrics(folder.file('metrics.jsonl'), context.step);
      const info = session.parameterInfo.filter((parameter) => !parameter.buffer);
      const count = (list: typeof info) =>
        list.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
      const report = trainSet.findings();
      context.emit({
        type: 'start',
        run: folder.path,
        recipe: this.#name,
        classes: classNames(this.recipe, trainSet),
        trainImages: trainSet.length,
        valImages: valSet?.length ?? 0,
        parameters: count(info),
        teachers,
        trainableParameters: count(info.filter((p) => p.trainable)),
        precision: precisionOf(this.recipe),
        threads: threadsOf(this.recipe),
        ...timeline,
        step: context.step,
        canvases: loader.canvases,
        findings: report.counts,
        firstFindings: report.first,
        weights,
        warnings,
        seconds: (performance.now() - startedAt) / 1000,
      });
      closers.push(closeOnAbort(loader, signal));
      await this.#train(context, hooks, steps, evaluate);
      const status = context.status === 'done' ? 'done' : 'interrupted';
      let pictures = status === 'done' ? evaluate.lastPictures() : [];
      const evaluator = evaluate.lastEvaluator();
      if (status === 'done' && this.recipe.data.format === 'source' && evaluator && valSet)
        pictures = await drawStep(folder, valSet, evaluator, context.step, this.recipe.eval.pictures);
      context.emit({
        type: 'end',
        status,
        step: context.step,
        seconds: (performance.now() - startedAt) / 1000,
        weights: folder.weights,
        pictures,
      });
      return {
        status,
        run: folder.path,
        step: context.step,
        weights: folder.weights,
        metrics: evaluate.lastMetrics(),
        pictures,
      };
    } catch (error) {
      if (begun || !isInterrupt(error, signal)) throw error;
      const seconds = (performance.now() - startedAt) / 1000;
      const ended = { status: 'interrupted', step, weights: folder.weights, pictures: [] } as const;
      tell({ type: 'end', ...ended, pictures: [], seconds });
      return { ...ended, run: folder.path, metrics: null, pictures: [] };
    } finally {
      for (const close of closers.reverse()) close();
    }
  }

  async #openData(
    tell: (event: TrainEvent) => void,
    signal: AbortSignal,
  ): Promise<{
    trainSet: NativeDataset;
    valSet: NativeDataset | null;
    stream: Stream | null;
    close(): void;
  }> {
    const { sources } = this.#options;
    if (!sources) {
      const sets = await orAbort(openData(this.recipe, tell, signal), signal);
      return { ...sets, stream: null, close() {} };
    }
    const train = openSource(sources.train, { batch: this.recipe.train.batch });
    const val = sources.val ? openSource(sources.val, { training: false }) : null;
    checkClasses(this.recipe, train.dataset, val?.dataset ?? null);
    const close = () => {
      train.stream?.close();
      val?.stream?.close();
    };
    return { trainSet: train.dataset, valSet: val?.dataset ?? null, stream: train.stream, close };
  }

  /**
   * The steps and student.safetensors, with hooks around them. Leaves `context.status` as 'done' or 'interrupted'; throws what
   * went wrong.
   */
  async #train(
    context: TrainContext,
    hooks: Hook[],
    steps: StepTaker,
    evaluate: EvaluateHook,
  ): Promise<void> {
    const { recipe, loader, timeline, signal } = context;
    const meter = new StepMeter(timeline, recipe.log.every);
    const base = baseLearningRate(recipe.train);
    const distills = recipe.distill.length > 0;
    const call = async (pick: (hook: Hook) => unknown) => {
      for (const hook of hooks) await pick(hook);
    };
    const endEpoch = () => call((hook) => hook.afterEpoch?.(context));
    try {
      await call((hook) => hook.onStart?.(context));
      if (evaluate.missed(context)) await endEpoch();
      const epoch = Math.floor(context.step / timeline.stepsPerEpoch);
      const stepInEpoch = context.step % timeline.stepsPerEpoch;
      context.stream?.begin({ epoch, position: stepInEpoch * recipe.train.batch });
      loader.begin(epoch, stepInEpoch);
      meter.start(context.step);
      const goesOn = () => context.step < timeline.totalSteps && context.stopped === null;
      while (goesOn() && !signal.aborted) {
        const rate = learningRate(context.step, base, recipe.train, timeline);
        const input = {
          step: context.step,
          learningRates: groupRates(recipe.train.groups, rate),
          emaDecay: averageDecay(context.step, recipe.train, timeline),
          lossWeights: recipe.train.lossWeights,
          clipNorm: recipe.train.clip,
          readLosses: meter.reads(context.step),
          diagnostics: distills && meter.reports(context.step),
        };
        // Also of a step that fails because of them.
        const output = await steps.take(context, input).finally(() => tellStatistics(context));
        if (output && !output.done) break; // its pictures did not come after the signal
        context.epoch = Math.floor(context.step / timeline.stepsPerEpoch);
        context.step += 1;
        const event = output && meter.record(context.step, rate, output);
        if (event) context.emit(event);
        await call((hook) => hook.afterStep?.(context, output));
        const epochEnds = context.step % timeline.stepsPerEpoch === 0 || context.step === timeline.totalSteps;
        if (epochEnds) await meter.without(endEpoch);
      }
      context.status = goesOn() ? 'interrupted' : 'done';
      if (context.status === 'done') await exportStudent(context);
    } catch (error) {
      const interrupted = isInterrupt(error, signal);
      context.status = interrupted ? 'interrupted' : 'failed';
      if (!interrupted) context.error = error;
    }
    // Every hook ends, also behind one that cannot; the first error is the one that is told.
    for (const hook of hooks) {
      try {
        await hook.onEnd?.(context);
      } catch (error) {
        if (context.status !== 'failed') Object.assign(context, { status: 'failed', error });
      }
    }
    if (context.status === 'failed') throw context.error;
  }

  #finished(context: TrainContext): TrainResult {
    const { folder, step } = context;
    return { status: 'done', run: folder.path, step, weights: folder.weights, metrics: null, pictures: [] };
  }
}
