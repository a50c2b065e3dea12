/**
 * The harness: ours and the peers stay alive as processes and take turns step by step, so that a machine that changes
 * its speed changes it for all. A peer times a fixed convolution around each of its steps: rounds whose probes disagree by
 * more than a quarter are dropped.
 *
 *   npm run bench -- step --python PEERS/bin/python [--rounds 10] [--modes default,channels_last,bf16] [--distill] [--save FILE]
 *
 * --save keeps the figures for `npx hdtrain bench --compare BEFORE AFTER`. With --distill everyone trains under a GFL-R50 teacher; our plain step then takes its turn as well.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { figure, writeReport } from '../lib/bench/report.ts';
import { median } from '../lib/bench/step.ts';
import { table } from '../lib/report/tables.ts';

interface Sample {
  seconds: number;
  /** Of these the teacher's forward pass; 0 without. */
  teacher: number;
  probe?: [number, number];
  peakMB: number;
}

class Worker {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly samples: Sample[] = [];

  constructor(
    readonly name: string,
    command: string,
    args: string[],
  ) {
    const env = { ...process.env, OMP_WAIT_POLICY: 'PASSIVE' };
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env });
    if (!this.#child.stdout) throw new Error('no output');
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.name} ended`);
    return value;
  }

  async ready(): Promise<void> {
    while ((await this.#line()) !== 'ready');
  }

  async step(): Promise<Sample> {
    this.#child.stdin?.write('step\n');
    return JSON.parse(await this.#line()) as Sample;
  }

  stop(): void {
    this.#child.stdin?.end();
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: 'python3' },
    rounds: { type: 'string', default: '10' },
    modes: { type: 'string', default: 'default,channels_last' },
    distill: { type: 'boolean', default: false },
    save: { type: 'string' },
  },
});
if (positionals[0] !== 'step') throw new Error('expected: step');
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const distill = values.distill ? ['--distill'] : [];
const hdtrain = (name: string, args: string[]) =>
  new Worker(name, process.execPath, [here('../dist/cli/main.js'), 'bench', 'step', '--serve', ...args]);
const ours = hdtrain('hdtrain', distill);
const peers = values.modes
  .split(',')
  .map(
    (mode) =>
      new Worker(`eager ${mode}`, values.python, [
        here('peers/step_peer.py'),
        mode,
        ...(values.distill ? ['distill'] : []),
      ]),
  );
const workers = [ours, ...(values.distill ? [hdtrain('hdtrain without a teacher', [])] : []), ...peers];
for (const worker of workers) await worker.ready();
for (const worker of workers) await worker.step();
for (let round = 0; round < Number(values.rounds); ++round) {
  const samples = [];
  for (const worker of workers) samples.push(await worker.step());
  const probes = samples.flatMap((sample) => sample.probe ?? []);
  if (Math.max(...probes) > 1.25 * Math.min(...probes)) continue;
  for (const [i, sample] of samples.entries()) workers[i]?.samples.push(sample);
}
for (const worker of workers) worker.stop();
const base = median(ours.samples.map((sample) => sample.seconds));
process.stdout.write(`${ours.samples.length} rounds of ${values.rounds} in one state\n`);
process.stdout.write(
  `${table(
    ['who', 'ms a step', 'times hdtrain', 'ms of the teacher', 'peak MB'],
    workers.map(({ name, samples }) => {
      const seconds = median(samples.map((sample) => sample.seconds));
      return [
        name,
        (1000 * seconds).toFixed(0),
        (seconds / base).toFixed(2),
        (1000 * median(samples.map((sample) => sample.teacher))).toFixed(0),
        Math.max(...samples.map((sample) => sample.peakMB)).toFixed(0),
      ];
    }),
  )}\n`,
);
if (values.save) {
  const milliseconds = (samples: readonly Sample[]) => samples.map(({ seconds }) => 1000 * seconds);
  writeReport(
    values.save,
    'step against peers',
    { distill: values.distill, rounds: ours.samples.length },
    workers.map(({ name, samples }) => figure(name, 'ms', milliseconds(samples))),
  );
}
