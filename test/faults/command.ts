/** Runs the real command line in processes of its own, on recipes that train in seconds. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'hdtrain-test-'));
}

/** Everything that makes resuming hard: augmentation, EMA, accumulation, warm-up. */
export const tinyRecipe = `
model: { backbone: resnet18, neckChannels: 32, headChannels: 32, headConvs: 1, norm: train }
data:
  format: synthetic
  size: 64
  seed: 3
  train: { count: 12 }
  val: { count: 4 }
  augment: [{ crop: { probability: 0.5 } }, { flip: {} }, { colour: {} }]
train:
  epochs: 3
  batch: 4
  accumulate: 2
  lr: 0.01
  ema: { decay: 0.9, warmup: 5 }
  threads: 1
eval: { every: 1, pictures: 1 }
checkpoint: { epochs: 1, seconds: 0, keep: 2 }
log: { every: 1 }
`;

/** The same with a checkpoint after every step, of 130 MB each: for runs that die within a save. */
export const savingRecipe = tinyRecipe.replace('seconds: 0,', 'seconds: 0.001,');

export function writeRecipe(folder: string, text = tinyRecipe, name = 'tiny.yaml'): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

export interface Finished {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export function run(args: string[], cwd = tmpdir()): Finished {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [command, ...args], {
    cwd,
    encoding: 'utf8',
    timeout: 240_000,
  });
  return { status, signal, stdout, stderr };
}

export function start(args: string[]): { child: ChildProcess; done: Promise<Finished> } {
  const child = spawn(process.execPath, [command, ...args], { cwd: tmpdir() });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const done = new Promise<Finished>((resolve) =>
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr })),
  );
  return { child, done };
}
