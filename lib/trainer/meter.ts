/** Means and rates between two step events. */
import process from 'node:process';
import type { StepOutput } from '../native.ts';
import type { StepEvent } from './events.ts';
import type { Timeline } from './schedule.ts';

export class StepMeter {
  #sums: Record<string, number> = {};
  #reads = 0;
  #images = 0;
  #positives = 0;
  #gradientNorm = 0;
  #waited = 0;
  #inside = 0;
  #steps = 0;
  #since = 0;
  /** Seconds and steps of training alone, for the ETA. */
  #trained = { seconds: 0, steps: 0 };

  constructor(
    private readonly timeline: Timeline,
    private readonly every: number,
  ) {}

  start(_step: number): void {
    this.#reset();
  }

  /** Leaves out what happens between epochs (evaluation, saving). */
  async without(work: () => Promise<void>): Promise<void> {
    const begin = performance.now();
    await work();
    this.#since += performance.now() - begin;
  }

  /** Whether the losses of the step after `step` are wanted: reading them may wait for a device. */
  reads(step: number): boolean {
    return this.every <= 10 || (step + 1) % 10 === 0 || this.#isDue(step + 1);
  }

  /** Whether the step after `step` makes an event. */
  reports(step: number): boolean {
    return this.#isDue(step + 1);
  }

  #isDue(step: number): boolean {
    return step === 1 || step % this.every === 0 || step === this.timeline.totalSteps;
  }

  record(step: number, lr: number, output: StepOutput): StepEvent | null {
    this.#steps += 1;
    this.#images += output.images;
    this.#positives += output.positives;
    this.#waited += output.waitSeconds;
    this.#inside += output.seconds;
    this.#gradientNorm = output.gradientNorm ?? this.#gradientNorm;
    if (output.losses) {
      this.#reads += 1;
      for (const [name, value] of Object.entries(output.losses))
        this.#sums[name] = (this.#sums[name] ?? 0) + value;
    }
    if (!this.#isDue(step)) return null;
    const seconds = Math.max(1e-9, (performance.now() - this.#since) / 1000);
    // The first step warms caches up; it does not predict the rest.
    if (step > 1) {
      this.#trained.seconds += seconds;
      this.#trained.steps += this.#steps;
    }
    const pace = this.#trained.steps > 0 ? this.#trained.seconds / this.#trained.steps : seconds;
    const event: StepEvent = {
      type: 'step',
      step,
      epoch: output.epoch,
      lr,
      losses: Object.fromEntries(Object.entries(this.#sums).map(([name, sum]) => [name, sum / this.#reads])),
      gradientNorm: this.#gradientNorm,
      ...diagnosticsOf(output),
      positives: this.#positives / this.#steps,
      imagesPerSecond: this.#images / seconds,
      dataWait: Math.min(1, this.#waited / seconds),
      overhead: Math.max(0, 1 - this.#inside / seconds),
      memory: { rss: process.memoryUsage.rss() },
      eta: pace * (this.timeline.totalSteps - step),
    };
    this.#reset();
    return event;
  }

  #reset(): void {
    this.#sums = {};
    this.#reads = this.#images = this.#positives = this.#waited = this.#inside = this.#steps = 0;
    this.#since = performance.now();
  }
}

/** Shares of one step: terms against each other, whatever their units. */
function diagnosticsOf({ termGradients, losses, agreement, weighted }: StepOutput): Partial<StepEvent> {
  if (!termGradients || !losses || !weighted) return {};
  const sum = (values: Record<string, number>) => Object.values(values).reduce((a, b) => a + Math.abs(b), 0);
  const share = (value: number | undefined, whole: number) => (whole > 0 ? Math.abs(value ?? 0) / whole : 0);
  const loss = sum(weighted);
  const gradient = sum(termGradients);
  const shares = Object.fromEntries(
    Object.entries(termGradients).map(([name, norm]) => [
      name,
      { loss: share(weighted[name], loss), gradient: share(norm, gradient) },
    ]),
  );
  return { shares, ...(agreement && { agreement }) };
}
