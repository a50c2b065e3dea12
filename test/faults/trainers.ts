/** Trainers in worker threads: what is left in the process when they have come and gone (fault 44). */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

export interface Held {
  /** Bytes that only this process has in memory. */
  memory: number;
  threads: number;
  descriptors: number;
}

export function held(): Held {
  globalThis.gc?.();
  const kilobytes = (name: string) => {
    const status = readFileSync('/proc/self/smaps_rollup', 'utf8');
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  };
  return {
    memory: 1024 * (kilobytes('Private_Clean') + kilobytes('Private_Dirty')),
    threads: readdirSync('/proc/self/task').length,
    descriptors: readdirSync('/proc/self/fd').length,
  };
}

const script = `
  import { parentPort, workerData } from 'node:worker_threads';
  import { Trainer } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
  const run = new Trainer(workerData.recipe, { run: workerData.into }).run();
  for await (const event of run) if (event.type === 'step') parentPort.postMessage(event.step);
  parentPort.postMessage('done');`;

/** A trainer in a thread. `until`: it is terminated when this step is told (0: as soon as it runs); without, it ends itself. */
export async function trainerInThread(recipe: unknown, into: string, until?: number): Promise<void> {
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
    workerData: { recipe, into },
  });
  await new Promise<void>((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', () => resolve());
    worker.once('online', () => {
      if (until === 0) worker.terminate();
    });
    worker.on('message', (step: number) => {
      if (until !== undefined && step >= until) worker.terminate();
    });
  });
}

/** Trainers one after the other, some of them two at a time, ended in every phase of their life. */
export async function comeAndGo(
  recipe: unknown,
  folder: string,
  first: number,
  count: number,
): Promise<void> {
  for (let i = first; i < first + count; i += 2) {
    await Promise.all([
      trainerInThread(recipe, join(folder, `${i}`), i % 3),
      trainerInThread(recipe, join(folder, `${i + 1}`), (i + 1) % 4 === 0 ? undefined : 1),
    ]);
  }
}
