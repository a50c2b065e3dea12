/** Which folders are meant, and what to call them. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { HdError } from '../../error.ts';
import { isRunFolder } from '../run/run-reader.ts';

/**
 * Run folders; one that holds runs stands for all of them, in the order of their names.
 * @throws HdError HD_USAGE for what is neither
 */
export function runFolders(paths: readonly string[]): string[] {
  return [...new Set(paths.flatMap((path) => foldersOf(resolve(path))))];
}

function foldersOf(path: string): string[] {
  if (!existsSync(path) || !statSync(path).isDirectory()) {
    throw new HdError(
      'HD_USAGE',
      `expected a run folder but ${path} is none: name the folder that 'hdtrain train' wrote, or the one that holds such folders`,
      path,
    );
  }
  if (isRunFolder(path)) return [path];
  const below = readdirSync(path)
    .map((name) => join(path, name))
    .filter(isRunFolder)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  if (below.length > 0) return below;
  throw new HdError(
    'HD_USAGE',
    `expected a run folder but ${path} holds neither metrics.jsonl nor runs: name the folder that 'hdtrain train' wrote`,
    path,
  );
}

/** The shortest ends of the paths by which they differ. */
export function runNames(folders: readonly string[]): string[] {
  const parts = folders.map((folder) => folder.split(sep).filter((part) => part !== ''));
  const end = (path: readonly string[], length: number) => path.slice(-length).join('/');
  return parts.map((path) => {
    let length = 1;
    const isShared = () => parts.filter((other) => end(other, length) === end(path, length)).length > 1;
    while (length < path.length && isShared()) length += 1;
    return end(path, length) || '/';
  });
}
