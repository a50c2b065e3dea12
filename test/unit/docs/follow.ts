/** Runs an example that follows a run, and lets the run go on meanwhile. */
import { spawn } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { statusOf } from '../report/run-folder.ts';

export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Starts a program that looks every 50 ms. */
export function startFollowing(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  const child = spawn(program, args, { env: { ...process.env, EVERY: '50', ...env } });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (more) => (stdout += more));
  child.stderr.on('data', (more) => (stderr += more));
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, stdout, stderr })));
}

/** Half a line of metrics.jsonl, then the rest of it, then the end of the run. */
export async function finishRun(folder: string, lines: string): Promise<void> {
  appendFileSync(join(folder, 'metrics.jsonl'), lines.slice(0, 30));
  await new Promise((resolve) => setTimeout(resolve, 120));
  appendFileSync(join(folder, 'metrics.jsonl'), lines.slice(30));
  writeFileSync(join(folder, 'status.json'), JSON.stringify(statusOf({ state: 'done' })));
}
