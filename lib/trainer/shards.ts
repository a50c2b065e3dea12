/**
 * Shards that a recipe names by address, as files of a cache on the disk.
 *
 * `<folder>/<digest of the address without its last part>/<last part>`: shards of one place lie in one folder under their own
 * names, so that a data set is the same (its digest as well) wherever its shards come from. A whole file is used without
 * asking the server again.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { HdError } from '../error.ts';
import { native } from '../native.ts';
import { isAddress } from '../recipe/resolve.ts';
import { cacheFolder } from './cache-folder.ts';
import type { FetchEvent } from './events.ts';
import { type FetchOptions, fetchFile } from './fetch-file.ts';

export interface ShardCache {
  /** Null: below the user's cache folder. */
  folder: string | null;
  /** Gigabytes. */
  limit: number;
}

export interface ShardOptions extends Omit<FetchOptions, 'onProgress'> {
  tell?: (event: FetchEvent) => void;
  /** Files that are fetched at a time. */
  parallel?: number;
}

const betweenEvents = 250; // milliseconds
const betweenLooks = 300; // at a lock that another process holds

/** `shards` with files of the disk in place of addresses. @throws HdError HD_DATA_FETCH, HD_DATA_SHARD_CACHE; the reason of `signal` */
export async function localShards(
  shards: string | readonly string[],
  cache: ShardCache,
  options: ShardOptions = {},
): Promise<string[]> {
  const folder = cache.folder ?? cacheFolder('shards');
  const missing = new Map<string, string>();
  const paths = [shards].flat().flatMap((entry) => {
    if (!isAddress(entry)) return [entry];
    return native()
      .expandBraces(entry)
      .map((url) => {
        const target = targetOf(url, folder);
        if (!existsSync(target)) missing.set(target, url);
        return target;
      });
  });
  if (missing.size > 0) await fetchAll(missing, folder, cache.limit * 1e9, options);
  return paths;
}

/** Where the file of an address lies. */
export function targetOf(url: string, folder: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (error) {
    throw new HdError(
      'HD_DATA_FETCH',
      `expected an http(s) address for data.shards but received ${url}: correct it`,
      url,
      { cause: error },
    );
  }
  const slash = parsed.pathname.lastIndexOf('/');
  const place = `${parsed.origin}${parsed.pathname.slice(0, slash)}${parsed.search}`;
  const digest = createHash('sha256').update(place).digest('hex').slice(0, 16);
  // Never '..', never hidden, and nothing that a shell or a pattern would read otherwise.
  const name = parsed.pathname.slice(slash + 1).replace(/[^\w.-]|^\./g, '_');
  return join(folder, digest, name || 'shard.tar');
}

async function fetchAll(
  missing: ReadonlyMap<string, string>,
  folder: string,
  limit: number,
  { tell, parallel = 4, signal, ...fetching }: ShardOptions,
): Promise<void> {
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const tally = new Tally(missing.size, folder, limit, tell);
  const queue = [...missing];
  const work = async () => {
    for (let next = queue.shift(); next && !either.aborted; next = queue.shift()) {
      const [target, url] = next;
      try {
        await fetchOne(target, url, { ...fetching, signal: either }, tally);
      } catch (error) {
        stop.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, queue.length) }, work));
  either.throwIfAborted();
}

async function fetchOne(target: string, url: string, options: FetchOptions, tally: Tally): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const lockPath = `${target}.lock`;
  let lock = native().lockFile(lockPath);
  while (!lock) {
    tally.waits(url);
    await wait(betweenLooks, undefined, { signal: options.signal });
    lock = native().lockFile(lockPath);
  }
  try {
    if (!existsSync(target)) {
      await fetchFile(url, target, {
        ...options,
        onProgress: (done, size) => tally.progress(target, done, size),
      });
    }
    // Whoever waits for this lock finds the file whole, and needs the lock no more.
    rmSync(lockPath, { force: true });
    tally.ready();
  } finally {
    lock.release();
  }
}

/** What has arrived in all, and whether it fits. */
class Tally {
  readonly #before: number;
  readonly #files = new Map<string, { before: number; done: number; size: number }>();
  #ready = 0;
  #told = 0;

  constructor(
    readonly shards: number,
    readonly folder: string,
    readonly limit: number,
    readonly tell: ((event: FetchEvent) => void) | undefined,
  ) {
    this.#before = folderSize(folder);
  }

  progress(target: string, done: number, size: number | null): void {
    const { before } = this.#files.get(target) ?? { before: done };
    this.#files.set(target, { before, done, size: size ?? done });
    const whole = [...this.#files.values()].reduce(
      (sum, file) => sum + file.size - file.before,
      this.#before,
    );
    if (whole > this.limit) {
      throw new HdError(
        'HD_DATA_SHARD_CACHE',
        `expected at most ${this.limit / 1e9} GB in ${this.folder} but the shards need ${(whole / 1e9).toPrecision(3)} GB with what lies there: delete old folders in it, or raise data.shardCache.limit`,
        this.folder,
      );
    }
    this.#emit(false);
  }

  ready(): void {
    ++this.#ready;
    this.#emit(true);
  }

  waits(url: string): void {
    this.#emit(false, url);
  }

  #emit(always: boolean, waiting?: string): void {
    const now = performance.now();
    if (!this.tell || (!always && now - this.#told < betweenEvents)) return;
    this.#told = now;
    const bytes = [...this.#files.values()].reduce((sum, { done }) => sum + done, 0);
    this.tell({
      type: 'fetch',
      ready: this.#ready,
      shards: this.shards,
      bytes,
      ...(waiting !== undefined && { waiting: true }),
    });
  }
}

function folderSize(folder: string): number {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, entry) =>
        sum +
        (statSync(join(entry.parentPath ?? entry.path, entry.name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
}
