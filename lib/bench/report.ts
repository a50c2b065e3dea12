/** What a benchmark leaves as a file: its figures, what was measured, and on which machine. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { z } from 'zod';
import { HdError } from '../error.ts';
import { native } from '../native.ts';
import { median, quantile } from './statistics.ts';

const format = 'hdtrain-bench-1';
/** Fewer samples than these say nothing of how much a figure varies. */
const leastSamples = 5;
/** Share by which such a figure is taken to vary. */
const assumedNoise = 0.1;

const number = z.number();

const figureSchema = z.object({
  name: z.string(),
  unit: z.string(),
  better: z.enum(['lower', 'higher']),
  value: number,
  /** Where half of the samples lie; without enough of them, what is assumed. */
  low: number,
  high: number,
});

const machineSchema = z.object({
  cpu: z.string(),
  cores: number,
  memoryGB: number,
  /** What ATen uses of the processor. */
  capability: z.string(),
  amx: z.boolean(),
  node: z.string(),
  torch: z.string(),
  /** Digest of the native sources. */
  build: z.string(),
});

const reportSchema = z.object({
  format: z.literal(format),
  bench: z.string(),
  settings: z.record(z.string(), z.union([z.string(), number, z.boolean(), z.null()])),
  machine: machineSchema,
  figures: z.array(figureSchema),
});

export type Figure = z.output<typeof figureSchema>;
export type Machine = z.output<typeof machineSchema>;
export type BenchReport = z.output<typeof reportSchema>;

/** A figure from its samples: the median, and the quarters on both sides of it. */
export function figure(
  name: string,
  unit: string,
  samples: readonly number[],
  better: Figure['better'] = 'lower',
): Figure {
  const value = median(samples);
  if (samples.length < leastSamples) {
    const noise = assumedNoise * Math.abs(value);
    return { name, unit, better, value, low: value - noise, high: value + noise };
  }
  return { name, unit, better, value, low: quantile(samples, 0.25), high: quantile(samples, 0.75) };
}

export function thisMachine(): Machine {
  const { capability, amx, torch, build } = native().info();
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGB: Math.round(totalmem() / 1e9),
    capability,
    amx,
    node: process.version,
    torch,
    build,
  };
}

/** @throws HdError HD_IO, HD_DISK_FULL */
export function writeReport(
  path: string,
  bench: string,
  settings: BenchReport['settings'],
  figures: Figure[],
): void {
  const report: BenchReport = { format, bench, settings, machine: thisMachine(), figures };
  native().writeFile(path, `${JSON.stringify(report, null, 1)}\n`);
}

/** @throws HdError HD_USAGE */
export function readReport(path: string): BenchReport {
  const refuse = (why: string, cause?: unknown): never => {
    throw new HdError(
      'HD_USAGE',
      `expected a report of 'hdtrain bench … --save FILE' for --compare but ${path} is none (${why}): name such a file`,
      path,
      { cause },
    );
  };
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    return refuse((error as Error).message, error);
  }
  const { data, error } = reportSchema.safeParse(content);
  const issue = error?.issues[0];
  return data ?? refuse(`${issue?.path.join('.') || 'the whole'}: ${issue?.message}`);
}
