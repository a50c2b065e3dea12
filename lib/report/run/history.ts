/** What metrics.jsonl tells, as curves and last values. Lines that are none of ours are passed over. */
import { Curve } from './curve.ts';
import { Notices } from './notices.ts';

export interface ClassRow {
  name: string;
  /** truths, detections, ap, ap50, …; −1 where there was nothing to measure. */
  numbers: Record<string, number>;
}

export interface Evaluation {
  step: number;
  numbers: Record<string, number>;
  perClass: ClassRow[];
}

export interface LastStep {
  step: number;
  epoch: number;
  /** Seconds to the end. */
  eta: number;
  imagesPerSecond: number;
}

export class History {
  /** `loss total`, `lr`, `dataWait`, …; evaluations as `eval ap`. */
  readonly curves = new Map<string, Curve>();
  lastStep: LastStep | null = null;
  lastEvaluation: Evaluation | null = null;
  /** By the metric that the recipe chooses the best checkpoint by. */
  bestEvaluation: Evaluation | null = null;
  /** Steps that were left out because a number was not finite. */
  diverged = 0;
  readonly notices = new Notices();

  addLine(line: string): void {
    try {
      this.add(JSON.parse(line));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }

  add(event: unknown): void {
    const fields = objectOf(event);
    const step = Number(fields.step);
    if (!Number.isInteger(step)) return;
    if (fields.type === 'step') this.#addStep(step, fields);
    else if (fields.type === 'eval') this.#addEvaluation(step, fields);
    else if (fields.type === 'diverged') this.diverged += 1;
    else if (fields.type === 'warning') this.notices.addWarning(step, fields.message);
    else if (fields.type === 'bad-samples') this.notices.addPictures(fields.split, fields.samples);
  }

  #addStep(step: number, event: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(numbersOf(event.losses)))
      this.#put(`loss ${name}`, step, value);
    for (const [name, value] of Object.entries(numbersOf(event.memory)))
      this.#put(`memory ${name}`, step, value);
    const numbers = numbersOf(event);
    for (const name of ['lr', 'dataWait', 'overhead', 'imagesPerSecond', 'gradientNorm']) {
      const value = numbers[name];
      if (value !== undefined) this.#put(name, step, value);
    }
    const { epoch = 0, eta = Number.NaN, imagesPerSecond = Number.NaN } = numbers;
    this.lastStep = { step, epoch, eta, imagesPerSecond };
  }

  #addEvaluation(step: number, event: Record<string, unknown>): void {
    const values = objectOf(event.eval);
    const numbers = numbersOf(values);
    for (const [name, value] of Object.entries(numbers))
      if (value !== -1) this.#put(`eval ${name}`, step, value);
    const rows = Array.isArray(values.perClass) ? values.perClass : [];
    const perClass = rows.map((row) => ({ name: String(objectOf(row).name ?? ''), numbers: numbersOf(row) }));
    this.lastEvaluation = { step, numbers, perClass };
    if (event.best === true) this.bestEvaluation = this.lastEvaluation;
  }

  #put(name: string, step: number, value: number): void {
    let curve = this.curves.get(name);
    if (!curve) {
      curve = new Curve();
      this.curves.set(name, curve);
    }
    curve.add(step, value);
  }
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function numbersOf(value: unknown): Record<string, number> {
  const entries = Object.entries(objectOf(value));
  return Object.fromEntries(
    entries.filter(
      (entry): entry is [string, number] =>
        Number.isFinite(entry[1] as number) && typeof entry[1] === 'number',
    ),
  );
}
