/** Runs command lines as a reader types them; see one-process.mjs. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { command, type Finished } from '../../faults/command.ts';

const server = fileURLToPath(new URL('one-process.mjs', import.meta.url));

export class CommandLine {
  #child: ChildProcess | null = null;

  /** In the shared process, of which a new one is started when a verb has ended it. */
  run(args: readonly string[], cwd: string): Promise<Finished> {
    const child = this.#child ?? fork(server, { silent: true, execArgv: [] });
    this.#child = child;
    return new Promise((resolve) => {
      const output = collect(child);
      const finish = (status: number | null, signal: NodeJS.Signals | null) => {
        child.removeAllListeners();
        child.stdout?.removeAllListeners('data');
        child.stderr?.removeAllListeners('data');
        resolve({ status, signal, ...output });
      };
      child.once('message', (message) => setImmediate(finish, (message as { status: number }).status, null));
      child.once('close', (status, signal) => {
        this.#child = null;
        finish(status, signal);
      });
      child.send({ cwd, args });
    });
  }

  close(): void {
    this.#child?.disconnect();
  }
}

/** A verb that runs until Ctrl-C, in a process of its own: waits for its first line, lets `look` see it, and ends it. */
export async function runUntilInterrupted(
  args: readonly string[],
  cwd: string,
  look: (line: string) => Promise<void>,
): Promise<Finished> {
  const child = spawn(process.execPath, [command, ...args], { cwd });
  const output = collect(child);
  const done = new Promise<Finished>((resolve) =>
    child.once('close', (status, signal) => resolve({ status, signal, ...output })),
  );
  await Promise.race([new Promise((resolve) => child.stdout.once('data', resolve)), done]);
  try {
    if (output.stdout !== '') await look(output.stdout);
  } finally {
    child.kill('SIGINT');
  }
  return done;
}

function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (more) => (output.stdout += more));
  child.stderr?.on('data', (more) => (output.stderr += more));
  return output;
}
