/**
 * A file of the web as a file on the disk, whatever the connection does meanwhile.
 *
 * Invariants: `target` is either absent or whole. What has arrived is in `target.part`, and `target.json` says of what it is
 * a part; it is gone on with only where the server confirms that the file is still the same. One process at a time writes
 * them: the caller holds a lock.
 */
import { type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { HdError } from '../error.ts';
import { native } from '../native.ts';

export interface FetchOptions {
  /** Failures before the file is given up; one that brought further bytes counts as the first. */
  attempts?: number;
  /** Milliseconds before the second attempt; each further one waits twice as long, 30 s at most. */
  pause?: number;
  /** Milliseconds without a byte after which a connection counts as cut. */
  idle?: number;
  /** Ends the attempt; what has arrived is kept. */
  signal?: AbortSignal;
  /** Bytes on the disk, and the size of the file where the server says it. What it throws ends the fetching. */
  onProgress?: (done: number, size: number | null) => void;
}

/** What `target.json` holds. Without a validator the part cannot be gone on with. */
interface Origin {
  url: string;
  /** A strong ETag, else the date of the last change. */
  validator: string | null;
  size: number | null;
}

/** Where the bytes of an answer belong, and how many the whole file has. */
interface Start {
  at: number;
  size: number | null;
}

/** A failure that may pass. */
class Passing extends Error {
  /** @param after milliseconds that the server asks to wait */
  constructor(
    message: string,
    readonly cure: string,
    readonly after = 0,
  ) {
    super(message);
  }
}

const longestPause = 30_000;
const later = 'try again later, what has arrived is kept';
const connection = 'check the address and the connection, what has arrived is kept';

/** Without what may be secret. */
export function shownUrl(url: string): string {
  const { origin, pathname, search } = new URL(url);
  return `${origin}${pathname}${search && '?…'}`;
}

/** Fetches `url` to `target`, whose folder exists. @throws HdError HD_DATA_FETCH, and the reason of `signal`. */
export async function fetchFile(url: string, target: string, options: FetchOptions = {}): Promise<void> {
  const { attempts = 8, pause = 500, signal } = options;
  let [failures, most] = [0, 0];
  for (;;) {
    try {
      return await attempt(url, target, options);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Passing)) throw error;
      const arrived = await sizeOf(`${target}.part`);
      failures = arrived > most ? 1 : failures + 1;
      most = Math.max(most, arrived);
      if (failures >= attempts) fail(url, `${error.message}, ${failures} times in a row`, error.cure, error);
      // Half of it by chance, so that many who were cut off at once do not come back at once.
      const longest = Math.min(longestPause, pause * 2 ** (failures - 1));
      const delay = Math.max(Math.min(error.after, longestPause), longest * (0.5 + Math.random() / 2));
      await wait(delay, undefined, { signal });
    }
  }
}

function fail(url: string, received: string, cure: string, cause?: unknown): never {
  const shown = shownUrl(url);
  throw new HdError('HD_DATA_FETCH', `expected to fetch ${shown} but received ${received}: ${cure}`, shown, {
    cause,
  });
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

/** What of the file is there and can be gone on with. */
async function partOf(url: string, target: string): Promise<{ have: number; origin: Origin | null }> {
  try {
    const origin = JSON.parse(await readFile(`${target}.json`, 'utf8')) as Origin;
    const have = await sizeOf(`${target}.part`);
    if (have > 0 && origin.url === url && typeof origin.validator === 'string') return { have, origin };
  } catch {
    // None, or cut off: a part beside it is of unknown origin.
  }
  return { have: 0, origin: null };
}

async function attempt(url: string, target: string, options: FetchOptions): Promise<void> {
  const { idle = 60_000, signal, onProgress } = options;
  const { have, origin } = await partOf(url, target);
  if (origin && origin.size === have) return finish(target);
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), idle);
  const cut = (error: unknown): never => {
    throw new Passing(silence.signal.aborted ? `nothing for ${idle / 1000} s` : reasonOf(error), connection);
  };
  try {
    const response = await fetch(url, {
      headers: {
        // Bytes as they lie there, so that their number means something.
        'accept-encoding': 'identity',
        range: `bytes=${have}-`,
        ...(origin?.validator && { 'if-range': origin.validator }),
      },
      signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
    }).catch(cut);
    const start = await accept(response, url, target, have, origin);
    const file = await write(url, () => open(`${target}.part`, start.at === 0 ? 'w' : 'a'));
    try {
      let done = start.at;
      onProgress?.(done, start.size);
      const reader = response.body?.getReader();
      for (;;) {
        const piece = await reader?.read().catch(cut);
        timer.refresh();
        if (!piece?.value) break;
        done += piece.value.length;
        if (start.size !== null && done > start.size) break;
        await writeAll(url, file, piece.value);
        onProgress?.(done, start.size);
      }
      if (start.size !== null && done !== start.size) {
        if (done > start.size) await file.truncate(0);
        throw new Passing(`${done} of ${start.size} bytes`, later);
      }
      await write(url, () => file.sync());
    } finally {
      await file.close();
    }
    await finish(target);
  } finally {
    clearTimeout(timer);
    silence.abort(); // what is still under way
  }
}

/** Decides from the head of an answer where its bytes belong; notes the origin of a file that begins anew. */
async function accept(
  response: Response,
  url: string,
  target: string,
  have: number,
  origin: Origin | null,
): Promise<Start> {
  const { status, headers } = response;
  const etag = headers.get('etag');
  const validator = etag && !etag.startsWith('W/') ? etag : headers.get('last-modified');
  const forget = () => rm(`${target}.part`, { force: true });
  if (status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get('content-range') ?? '');
    const [at, size] = [Number(range?.[1]), Number(range?.[2])];
    const same = !origin || (validator === origin.validator && size === (origin.size ?? size));
    if (at !== have || !same) {
      await forget();
      throw new Passing(same ? 'a range that was not asked for' : 'another file than before', later);
    }
    if (have === 0) await begin(url, target, { url, validator, size });
    return { at, size };
  }
  if (status === 200) {
    const length = headers.get('content-encoding') ? null : headers.get('content-length');
    const size = length === null ? null : Number(length);
    await begin(url, target, { url, validator, size });
    return { at: 0, size };
  }
  if (status === 416 && have > 0) {
    await forget();
    throw new Passing('another file than before', later);
  }
  return refuse(response, url);
}

function refuse({ status, statusText, headers }: Response, url: string): never {
  const received = `${status} ${statusText}`.trim();
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    throw new Passing(received, later, 1000 * (Number(headers.get('retry-after')) || 0));
  }
  if (status === 416) fail(url, 'an empty file', 'take it out of the list');
  if (status === 401 || status === 403)
    fail(url, received, 'use an address that needs no login, as a signed one');
  fail(url, received, 'correct the address');
}

/** The note first: a part never stands beside the note of another file. */
async function begin(url: string, target: string, origin: Origin): Promise<void> {
  await write(url, async () => {
    await rm(`${target}.part`, { force: true });
    native().writeFile(`${target}.json`, `${JSON.stringify(origin)}\n`);
  });
}

async function finish(target: string): Promise<void> {
  await rename(`${target}.part`, target);
  native().fsyncPath(dirname(target));
}

async function writeAll(url: string, file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; )
    at += (await write(url, () => file.write(bytes, at, bytes.length - at))).bytesWritten;
}

/** Trouble with the disk does not pass by asking the server again. */
async function write<T>(url: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    return fail(
      url,
      `'${(error as Error).message}' when it was written`,
      'make room, or name another folder in data.shardCache.folder',
      error,
    );
  }
}

/** fetch() says 'fetch failed' and keeps the reason to itself. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as Error;
  return `'${cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code : message}'`;
}
