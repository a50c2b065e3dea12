/** Finds golden files for the readers that are written in TypeScript; the rules are those of golden/main.cpp. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const chosen = process.env.HDTRAIN_GOLDENS;
export const goldenFolder = chosen
  ? chosen
  : fileURLToPath(new URL('../../../shared/goldens', import.meta.url));

/** The parsed fixture, or null when this set does not have it. */
export function golden<T>(fixture: string): T | null {
  const path = join(goldenFolder, `${fixture}.json`);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : null;
}
