/**
 * How a run ends that somebody stops: between two pieces of work at once, and without what it waits for when that does not
 * come (a disk or network that hangs, a source that never answers).
 */
import type { NativeLoader } from '../native.ts';

/** Seconds that what is under way may still take after the signal. */
const grace = 5;

/** Whether this is how the signal made something end. */
export function isInterrupt(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted && error === signal.reason;
}

/**
 * Closes the loader some seconds after the signal: a step or detection that waits for its batch then ends without one.
 * Returns what takes that back.
 */
export function closeOnAbort(loader: NativeLoader, signal: AbortSignal, seconds = grace): () => void {
  return afterAbort(signal, seconds, () => loader.close());
}

/**
 * What `work` gives, or the signal's reason some seconds after it: work of a native thread, which cannot be interrupted, is
 * left to itself then.
 */
export async function orAbort<T>(work: Promise<T>, signal: AbortSignal, seconds = grace): Promise<T> {
  let forget = () => {};
  const aborted = new Promise<never>((_, reject) => {
    forget = afterAbort(signal, seconds, () => reject(signal.reason));
  });
  try {
    const result = await Promise.race([work, aborted]);
    signal.throwIfAborted();
    return result;
  } finally {
    forget();
  }
}

function afterAbort(signal: AbortSignal, seconds: number, act: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const wait = () => {
    timer = setTimeout(act, seconds * 1000);
  };
  if (signal.aborted) wait();
  else signal.addEventListener('abort', wait, { once: true });
  return () => {
    signal.removeEventListener('abort', wait);
    clearTimeout(timer);
  };
}
