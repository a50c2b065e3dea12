import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where something is kept that later runs may use again: `name` below the user's cache folder ($XDG_CACHE_HOME or ~/.cache). */
export function cacheFolder(name: string): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hdtrain', name);
}
