/**
 * The harness: ours and the peers stay alive as processes and take turns step by step, so that a machine that changes
 * its speed changes it for all. A peer times a fixed convolution around each of its steps: rounds whose probes disagree by
 * more than a quarter are dropped.
 *
 *   npm run bench -- step --python PEERS/bin/python [--rounds 10] [--modes default,channels_last,bf16] [--distill] [--set FIELD=VALUE] [--save FILE]
 *
 *   npm run bench -- plan --python PEERS/bin/python [--part backbone] [--modes default,channels_last,bf16]
 *   npm run bench -- data --python PEERS/bin/python --data PICTURES [--data MORE] [--threads 2] [--rounds 10]
 *
 * With --distill everyone trains under a GFL-R50 teacher; our plain step then takes its turn as well. --set changes our recipe alone
 * (train.precision=bf16). A turn of `data` reads all
 * pictures once. --save keeps the figures for `npx hdtrain bench --compare BEFORE AFTER`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { figure, writeReport } from '../lib/bench/report.ts';
import { median } from '../lib/bench/statistics.ts';
import { table } from '../lib/report/tables.ts';

interface Sample {
  seconds: number;
  /** Of these the teacher's forward pass; 0 without. */
  teacher?: number;
  /** data: of one pass. */
  imagesPerSecond?: number;
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
    part: { type: 'string', default: 'whole' },
    set: { type: 'string', multiple: true, default: [] },
    data: { type: 'string', multiple: true, default: [] },
    threads: { type: 'string', default: '2' },
    size: { type: 'string', default: '640' },
    save: { type: 'string' },
  },
});
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const hdtrain = (name: string, args: string[]) =>
  new Worker(name, process.execPath, [here('../dist/cli/main.js'), 'bench', ...args, '--serve']);
const peer = (name: string, script: string, args: string[]) =>
  new Worker(name, values.python, [here(`peers/${script}`), ...args]);

/** Ours first. */
function stepWorkers(): Worker[] {
  const { distill } = values;
  const set = values.set.flatMap((field) => ['--set', field]);
  return [
    hdtrain('hdtrain', ['step', ...set, ...(distill ? ['--distill'] : [])]),
    ...(distill ? [hdtrain('hdtrain without a teacher', ['step', ...set])] : []),
    ...values.modes
      .split(',')
      .map((mode) => peer(`eager ${mode}`, 'step_peer.py', [mode, ...(distill ? ['distill'] : [])])),
  ];
}

function planWorkers(): Worker[] {
  return [
    hdtrain(`hdtrain, ${values.part}`, ['plan', '--part', values.part]),
    ...values.modes
      .split(',')
      .map((mode) => peer(`eager ${mode}`, 'step_peer.py', [mode, `plan-${values.part}`])),
  ];
}

function dataWorkers(): Worker[] {
  if (values.data.length === 0) throw new Error('expected --data PICTURES');
  const { size, threads, data } = values;
  const peers = { floor: 'floor: libjpeg-turbo and OpenCV', dataloader: 'torchvision DataLoader' };
  const folders = data.flatMap((folder) => ['--data', folder]);
  return [
    hdtrain('hdtrain', ['data', '--size', size, '--batch', '16', '--threads', threads, ...folders]),
    ...Object.entries(peers).map(([mode, name]) =>
      peer(name, 'data_peer.py', [mode, size, '16', threads, ...data]),
    ),
  ];
}

const kinds: Record<string, () => Worker[]> = { step: stepWorkers, plan: planWorkers, data: dataWorkers };
const open = kinds[positionals[0] ?? ''];
if (!open) throw new Error(`expected one of ${Object.keys(kinds).join(', ')}`);
const workers = open();
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
if (workers[0]?.samples.length === 0) {
  console.error(
    `no round of ${values.rounds} in one state: the machine changed its speed in each. End what else runs on it, or ask for more --rounds`,
  );
  process.exit(75);
}
const secondsOf = (worker: Worker | undefined) =>
  median((worker?.samples ?? []).map((sample) => sample.seconds));
const base = secondsOf(workers[0]);
const images = median(
  (workers[0]?.samples ?? []).map((sample) => (sample.imagesPerSecond ?? 0) * sample.seconds),
);
process.stdout.write(`${workers[0]?.samples.length} rounds of ${values.rounds} in one state\n`);
process.stdout.write(
  `${table(
    ['who', 'ms a turn', 'times hdtrain', ...(images ? ['img/s'] : ['ms of the teacher']), 'peak MB'],
    workers.map((worker) => {
      const { name, samples } = worker;
      const seconds = secondsOf(worker);
      return [
        name,
        (1000 * seconds).toFixed(0),
        (seconds / base).toFixed(2),
        images
          ? (images / seconds).toFixed(0)
          : (1000 * median(samples.map((sample) => sample.teacher ?? 0))).toFixed(0),
        Math.max(...samples.map((sample) => sample.peakMB)).toFixed(0),
      ];
    }),
  )}\n`,
);
if (values.save) {
  const milliseconds = (samples: readonly Sample[]) => samples.map(({ seconds }) => 1000 * seconds);
  writeReport(
    values.save,
    `${positionals[0]} against peers`,
    {
      distill: values.distill,
      ...(values.set.length > 0 && { set: values.set.join(' ') }),
      rounds: workers[0]?.samples.length ?? 0,
    },
    workers.map(({ name, samples }) => figure(name, 'ms', milliseconds(samples))),
  );
}
