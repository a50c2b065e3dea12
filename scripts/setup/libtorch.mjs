/**
 * Finds libtorch, or fetches it once into a per-user cache: LIBTORCH → cache → official CPU zip → pip wheel.
 * What lies in the cache under its final name is complete and of the right version (unpacked aside, then renamed).
 */
import { spawnSync } from 'node:child_process';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { progress, step, stop } from './log.mjs';

export const libtorchVersion = '2.13.0';
const officialZip = `https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-${libtorchVersion}%2Bcpu.zip`;
const officialWheels = 'https://download.pytorch.org/whl/cpu';

export const cacheFolder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hdtrain');
const target = join(cacheFolder, 'libtorch', `${libtorchVersion}-cpu`);

/** The version of an unpacked libtorch; null when the folder holds none. */
export function versionOf(folder) {
  const header = join(folder, 'include/torch/headeronly/version.h');
  if (!existsSync(header) || !existsSync(join(folder, 'lib/libtorch_cpu.so'))) return null;
  const text = readFileSync(header, 'utf8');
  const part = (name) => new RegExp(`#define TORCH_VERSION_${name} (\\d+)`).exec(text)?.[1];
  return `${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`;
}

/** Where libtorch is, without fetching: { folder, source } or null. @throws when LIBTORCH names something unusable. */
export function findLibtorch() {
  const chosen = process.env.LIBTORCH;
  if (chosen) {
    const version = versionOf(chosen);
    if (!version)
      throw new Error(
        `LIBTORCH=${chosen} holds no libtorch (include/, lib/): unset it, or name an unpacked libtorch ${libtorchVersion}`,
      );
    if (version !== libtorchVersion)
      throw new Error(
        `LIBTORCH=${chosen} is version ${version} but ${libtorchVersion} is needed: unset it to have that fetched`,
      );
    return { folder: chosen, source: 'LIBTORCH' };
  }
  return versionOf(target) === libtorchVersion ? { folder: target, source: 'cache' } : null;
}

function unpack(archive, folder) {
  const result = spawnSync('cmake', ['-E', 'tar', 'xf', archive], { cwd: folder, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`cannot unpack ${archive}: ${result.stderr}`);
}

async function fromZip(scratch) {
  const answer = await fetch(officialZip, { signal: AbortSignal.timeout(1_800_000) });
  if (!answer.ok || !answer.body) throw new Error(`${officialZip}: ${answer.status}`);
  const show = progress('libtorch', Number(answer.headers.get('content-length') ?? 0));
  const file = join(scratch, 'libtorch.zip');
  let bytes = 0;
  const body = Readable.fromWeb(answer.body).on('data', (chunk) => {
    bytes += chunk.length;
    show(bytes);
  });
  await finished(body.pipe(createWriteStream(file)));
  unpack(file, scratch);
  rmSync(file);
  return join(scratch, 'libtorch');
}

function fromWheel(scratch) {
  const args = [
    '-m',
    'pip',
    'download',
    '--no-deps',
    '--only-binary',
    ':all:',
    '--retries',
    '1',
    '--disable-pip-version-check',
  ];
  args.push('--extra-index-url', officialWheels, '--dest', scratch, `torch==${libtorchVersion}`);
  const result = spawnSync('python3', args, {
    stdio: ['ignore', process.stdout.isTTY ? 'inherit' : 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (result.status !== 0)
    throw new Error(result.error?.message ?? result.stderr.trim().split('\n').slice(-3).join('\n'));
  const wheel = readdirSync(scratch).find((name) => name.endsWith('.whl'));
  unpack(join(scratch, wheel), scratch);
  rmSync(join(scratch, wheel));
  return join(scratch, 'torch');
}

/** @returns { folder, source } of a usable libtorch, fetched if need be. */
export async function ensureLibtorch() {
  let found;
  try {
    found = findLibtorch();
  } catch (error) {
    stop(error.message);
  }
  if (found) return found;
  const parent = join(cacheFolder, 'libtorch');
  const scratch = join(parent, `.tmp-${process.pid}`);
  mkdirSync(scratch, { recursive: true });
  const failures = [];
  try {
    for (const [name, fetchIt] of [
      ['official zip', fromZip],
      ['pip wheel', fromWheel],
    ]) {
      step(`fetching libtorch ${libtorchVersion} (about 200 MB): ${name}`);
      try {
        const unpacked = await fetchIt(scratch);
        if (versionOf(unpacked) !== libtorchVersion)
          throw new Error(`version ${versionOf(unpacked)} came instead of ${libtorchVersion}`);
        rmSync(target, { recursive: true, force: true });
        renameSync(unpacked, target);
        return { folder: target, source: name };
      } catch (error) {
        failures.push(`${name}: ${error.cause?.message ?? error.message}`);
        step(`  not available (${error.cause?.message ?? error.message.split('\n')[0]})`);
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return stop(
    `libtorch ${libtorchVersion} could not be fetched:\n  ${failures.join('\n  ')}\nFetch ${officialZip} on another machine, unpack it, and set LIBTORCH=/path/to/libtorch.`,
  );
}
