/**
 * Event files for TensorBoard in the run folder: scalars of steps and evaluations, and some of the drawn pictures. It
 * runs behind the hooks that draw.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { pictureSize } from '../../report/picture-size.ts';
import { pictureSets } from '../../report/run/run-reader.ts';
import type { Picture } from '../../report/tensorboard/event.ts';
import { cutEvents, EventWriter } from '../../report/tensorboard/writer.ts';
import type { TrainContext } from '../context.ts';
import type { EvaluationEvent, StepEvent, TrainEvent } from '../events.ts';
import type { Hook } from './hook.ts';

/** Of an evaluation. */
const mostPictures = 4;

export function tensorboardHook(warn: (message: string) => void, now = () => Date.now() / 1000): Hook {
  let run: TrainContext | undefined;
  let writer: EventWriter | undefined;
  let failed = false;
  let evaluations = 0;
  /** Pictures of this step are wanted once they are drawn. */
  let wanted: number | null = null;
  /** Of the last evaluation, when they were not taken. */
  let skipped: number | null = null;

  /** A log that cannot be written must not end a run: it is told once. */
  function attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!failed) warn(`cannot write the TensorBoard log: ${(error as Error).message}; the run goes on`);
      failed = true;
    }
  }

  function write(
    step: number,
    scalars: Record<string, number>,
    pictures: Record<string, Picture> = {},
  ): void {
    const finite = Object.entries(scalars).filter(([, value]) => Number.isFinite(value));
    if (finite.length + Object.keys(pictures).length === 0) return;
    attempt(() => writer?.write({ time: now(), step, scalars: Object.fromEntries(finite), pictures }));
  }

  function writePictures(step: number): void {
    attempt(() => {
      const files = pictureSets(run?.folder.path ?? '').find((set) => set.step === step)?.files ?? [];
      const pictures = files.slice(0, mostPictures).flatMap((name): [string, Picture][] => {
        const data = readFileSync(run?.folder.file(name) ?? '');
        const size = pictureSize(data);
        return size ? [[`pictures/${basename(name)}`, { ...size, data }]] : [];
      });
      write(step, {}, Object.fromEntries(pictures));
    });
  }

  function take(event: TrainEvent): void {
    if (event.type === 'step') write(event.step, stepScalars(event));
    if (event.type === 'eval') {
      write(event.step, evaluationScalars(event));
      evaluations += 1;
      // The first, second, fourth, eighth, …: a long run's log stays small.
      const taken = Number.isInteger(Math.log2(evaluations));
      wanted = taken ? event.step : wanted;
      skipped = taken ? null : event.step;
    }
    if (event.type !== 'end') return;
    if (event.status === 'done' && skipped !== null) writePictures(skipped);
    writer?.close();
  }

  function takePictures(): void {
    if (wanted !== null) writePictures(wanted);
    wanted = null;
  }

  return {
    name: 'tensorboard',
    onStart(context) {
      if (!context.recipe.log.tensorboard) return;
      run = context;
      attempt(() => cutEvents(context.folder.path, context.step));
      writer = new EventWriter(context.folder.path);
    },
    onEvent(event: TrainEvent) {
      if (writer) take(event);
    },
    afterEpoch: takePictures,
    onEnd(context) {
      // A run that failed has no 'end' event.
      if (context.status === 'failed') writer?.close();
    },
  };
}

function stepScalars(event: StepEvent): Record<string, number> {
  const named = (prefix: string, values: Record<string, number>) =>
    Object.entries(values).map(([name, value]) => [`${prefix}/${name}`, value] as const);
  const { lr, dataWait, overhead, imagesPerSecond, gradientNorm } = event;
  return Object.fromEntries([
    ...named('loss', event.losses),
    ...named('train', { lr, gradientNorm }),
    ...named('speed', { imagesPerSecond, dataWait, overhead }),
    ...named('memory', event.memory),
  ]);
}

/** Numbers alone: a tag for each class would drown the rest. −1 is nothing to measure. */
function evaluationScalars({ eval: metrics }: EvaluationEvent): Record<string, number> {
  const numbers = Object.entries(metrics).filter(([, value]) => typeof value === 'number' && value !== -1);
  return Object.fromEntries(numbers.map(([name, value]) => [`eval/${name}`, value as number]));
}
