/** What a checkpoint must agree with when it is resumed. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { availableParallelism } from 'node:os';
import { native } from '../native.ts';
import type { Recipe } from '../recipe/schema/root.ts';
import type { CheckpointState } from './run-folder.ts';

/** The parts of a recipe that decide what the weights become; threads and what to do in trouble do not. */
export function decisive(recipe: Recipe): Record<string, unknown> {
  const {
    threads: _threads,
    precision: _precision,
    earlyStop: _earlyStop,
    onDiverged: _onDiverged,
    maxDiverged: _maxDiverged,
    ...train
  } = recipe.train;
  const {
    workers: _workers,
    slots: _slots,
    cache: _cache,
    cacheLimit: _cacheLimit,
    cacheFolder: _cacheFolder,
    val: _val,
    shardCache: _shardCache,
    ...data
  } = recipe.data as Recipe['data'] & { val?: unknown; shardCache?: unknown };
  return { model: recipe.model, teachers: recipe.teachers, distill: recipe.distill, train, data };
}

export function recipeDigest(recipe: Recipe): string {
  return createHash('sha256')
    .update(JSON.stringify(decisive(recipe)))
    .digest('hex')
    .slice(0, 16);
}

const teachers = new WeakMap<Recipe, Promise<string>>();

/** The content of the teachers' files, read once a recipe; empty when nothing is distilled. */
export function teachersDigest(recipe: Recipe): Promise<string> {
  let digest = teachers.get(recipe);
  if (digest === undefined) {
    digest = hashFiles(recipe.distill.length > 0 ? recipe.teachers.map(({ weights }) => weights) : []);
    teachers.set(recipe, digest);
  }
  return digest;
}

async function hashFiles(paths: readonly string[]): Promise<string> {
  if (paths.length === 0) return '';
  const hash = createHash('sha256');
  for (const path of paths) {
    let size = 0;
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      hash.update(chunk);
      size += chunk.length;
    }
    hash.update(`:${size};`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** What `auto` means depends on the machine alone, never on a measurement: the same machine gives the same run. */
export function precisionFor(wish: 'auto' | 'fp32' | 'bf16'): 'fp32' | 'bf16' {
  if (wish !== 'auto') return wish;
  return native().info().bf16Pays ? 'bf16' : 'fp32';
}

export function precisionOf(recipe: Recipe): 'fp32' | 'bf16' {
  return precisionFor(recipe.train.precision);
}

export function threadsOf(recipe: Recipe): number {
  return recipe.train.threads === 'auto' ? availableParallelism() : recipe.train.threads;
}

export function environmentOf(recipe: Recipe): CheckpointState['environment'] {
  const { build, torch, capability } = native().info();
  return { build, torch, capability, precision: precisionOf(recipe), threads: threadsOf(recipe) };
}
