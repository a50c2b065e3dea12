/** What a run says while pictures do not come. */
import type { LoaderStatistics } from '../native.ts';

/**
 * Tells what the loader is at while a batch does not come; returns what ends that. `read` gives its statistics;
 * `patience` is how many seconds a batch may be awaited before this is told, and again after each further interval.
 */
export function watchLoader(
  read: () => LoaderStatistics,
  warn: (message: string) => void,
  patience = 10,
): () => void {
  const watch = setInterval(() => {
    const { waiting, reading } = read();
    if (waiting < patience / 2) return;
    const files = reading.filter((file) => file !== '');
    const at = files.length > 0 ? `; being read: ${files.slice(0, 8).join(', ')}` : '';
    warn(
      `no batch for ${Math.round(waiting)} s: the pictures do not come${at}. A slow disk or network? data.workers and data.slots can be raised`,
    );
  }, patience * 1000).unref();
  return () => clearInterval(watch);
}
