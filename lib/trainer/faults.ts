/** Trouble on purpose: what `debug.fault` of a recipe asks for, at the places that call `at`. */
import process from 'node:process';
import { HdError } from '../error.ts';
import type { Fault, faultPoints } from '../recipe/schema/debug.ts';

export type FaultPoint = (typeof faultPoints)[number];

/** Actions that native code acts out. */
const pretended = ['nan', 'memory'] as const;

export class Faults {
  readonly #left: { fault: Fault; times: number }[];

  constructor(faults: Fault | Fault[]) {
    this.#left = [faults].flat().map((fault) => ({ fault, times: fault.times }));
  }

  /**
   * Lets happen what is due here after `step` finished steps.
   * @throws HdError HD_DISK_FULL, HD_FAULT
   */
  at(point: FaultPoint, step: number): void {
    // One that throws leaves those behind it to the next time.
    for (const fault of this.#due(point, step, (action) => !isPretended(action))) act(fault, step);
  }

  /** What the native step, or detection, shall pretend. */
  pretended(point: 'step' | 'evaluate', step: number): (typeof pretended)[number] | '' {
    const [fault] = this.#due(
      point,
      step,
      (action) => action === 'memory' || (action === 'nan' && point === 'step'),
    );
    return fault && isPretended(fault.action) ? fault.action : '';
  }

  /** Each counts as happened when it is taken. */
  *#due(point: FaultPoint, step: number, wanted: (action: Fault['action']) => boolean): Generator<Fault> {
    const due = this.#left.filter(
      ({ fault, times }) =>
        times > 0 && fault.point === point && wanted(fault.action) && step >= (fault.step ?? 0),
    );
    for (const entry of due) {
      entry.times -= 1;
      yield entry.fault;
    }
  }
}

/** Those that the loader's threads act out. */
export function decodeFaults(faults: Fault | Fault[]): Record<string, unknown>[] {
  return [faults]
    .flat()
    .filter(({ point }) => point === 'decode')
    .map(({ action, step, times, seconds }) => ({ action, step: step ?? 0, times, seconds }));
}

function isPretended(action: Fault['action']): action is (typeof pretended)[number] {
  return (pretended as readonly string[]).includes(action);
}

function act({ action, point, seconds }: Fault, step: number): void {
  switch (action) {
    case 'kill':
      process.kill(process.pid, 'SIGKILL');
      pause(60);
      return;
    case 'terminate':
      process.kill(process.pid, 'SIGTERM');
      return;
    case 'stall':
      pause(seconds);
      return;
    case 'disk-full':
      throw new HdError(
        'HD_DISK_FULL',
        `expected space on the disk but there is none at '${point}' (debug.fault): free some; the run goes on`,
        point,
      );
    default:
      throw new HdError(
        'HD_FAULT',
        `an error was asked for at '${point}' after ${step} steps (debug.fault): take it out of the recipe`,
        point,
      );
  }
}

/** Blocks the thread, as a hanging file system would. */
function pause(seconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
}
