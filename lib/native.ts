/**
 * The typed surface of the native addon (lib/native/, a file a subject), and the only file that loads it.
 *
 * The addon mirrors native/ and does nothing clever. Options are plain objects that the recipe layer has validated;
 * failures arrive as {@link HdError}.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { HdError } from './error.ts';
import type { NativeAddon } from './native/addon.ts';

export type * from './native/addon.ts';
export type * from './native/dataset.ts';
export type * from './native/evaluator.ts';
export type * from './native/loader.ts';
export type * from './native/session.ts';
export type * from './native/step.ts';

let loaded: NativeAddon | undefined;

/** Milliseconds that the end of a process waits for a step that is under way. */
const longestStep = 20_000;

/** Where a built addon may lie, best first. */
export function addonCandidates(): string[] {
  const root = fileURLToPath(new URL('..', import.meta.url));
  return [process.env.HDTRAIN_ADDON ?? '', `${root}native/.build/addon/Release/hdtrain.node`].filter(
    (path) => path !== '',
  );
}

/** libvips, which reads WebP, AVIF, TIFF and GIF; undefined where the optional package is not installed. */
function pictureLibrary(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('@img/sharp-libvips-linux-x64/binary');
  } catch {
    return undefined;
  }
}

/** The addon. Throws HD_NATIVE_MISSING or HD_NATIVE_LOAD with the cures for this platform. */
export function native(): NativeAddon {
  if (loaded) return loaded;
  const path = addonCandidates().find((candidate) => existsSync(candidate));
  if (!path) {
    throw new HdError(
      'HD_NATIVE_MISSING',
      `the native addon is not built: run 'npm run setup' in ${fileURLToPath(new URL('..', import.meta.url))} (npm may have skipped install scripts; 'npm rebuild hdtrain' runs them)`,
    );
  }
  try {
    loaded = createRequire(import.meta.url)(path) as NativeAddon;
    const addon = loaded;
    addon.setErrorClass(HdError);
    const pictures = pictureLibrary();
    if (pictures) addon.setPictureLibrary(pictures);
    // A thread that still works while the process takes its libraries down would crash it.
    process.once('exit', (code) => {
      if (!addon.finishWork(longestStep) && isMainThread) addon.endProcess(code);
    });
    return addon;
  } catch (error) {
    throw new HdError(
      'HD_NATIVE_LOAD',
      `cannot load ${path}: ${(error as Error).message}; run 'npm run setup' to rebuild it against this Node and libtorch, and 'npx hdtrain doctor' to see what is found`,
    );
  }
}
