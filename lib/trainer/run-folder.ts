/**
 * A run's folder: recipe.yaml (of a resumed run also the former ones), metrics.jsonl, checkpoints/, student.safetensors,
 * diagnosis.json, pictures/.
 *
 * Invariants: whatever bears its final name is complete (written to a temporary name, fsynced, renamed, folder fsynced);
 * `checkpoints/latest` names a complete checkpoint; one process at a time holds the lock, which dies with it.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { HdError } from '../error.ts';
import { native } from '../native.ts';
import type { FaultPoint } from './faults.ts';

export type ResumeMode = 'auto' | 'never' | (string & {});

/** Of state.json; grows when an earlier version could not be gone on with. */
export const checkpointFormat = 2;

/** What a checkpoint's state.json holds. */
export interface CheckpointState {
  format: typeof checkpointFormat;
  step: number;
  epoch: number;
  /** Of the network, in label order. */
  classes: string[];
  /** All that bit-equality depends on besides the folder itself. */
  environment: { build: string; torch: string; capability: string; precision: string; threads: number };
  /** `teachers` is that of their files; empty without any. */
  digests: { recipe: string; data: string; teachers?: string };
  hooks: Record<string, unknown>;
}

export interface Checkpoint {
  path: string;
  state: CheckpointState;
}

export class RunFolder {
  readonly path: string;
  #lock: { release(): void } | undefined;
  /** Folders that open() has made, the inner ones first. */
  readonly #made: string[] = [];
  #madeLock = false;

  constructor(path: string) {
    this.path = resolve(path);
  }

  file(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** True when a run has written anything here. */
  get used(): boolean {
    // What is no folder is refused by open().
    const entry = statSync(this.path, { throwIfNoEntry: false });
    return entry?.isDirectory() === true && readdirSync(this.path).some((name) => name !== 'lock');
  }

  get weights(): string {
    return this.file('student.safetensors');
  }

  /**
   * Creates the folder and takes its lock.
   * @throws HdError HD_RUN_LOCKED when another process trains here, HD_IO when it cannot be made.
   */
  open(): void {
    try {
      this.#make();
    } catch (error) {
      throw new HdError(
        'HD_RUN_FOLDER',
        `cannot make the run folder ${this.path}: ${(error as Error).message}; choose another with --run`,
        this.path,
      );
    }
    this.#madeLock = !existsSync(this.file('lock'));
    const lock = native().lockFile(this.file('lock'));
    if (!lock) {
      const holder = readFileSync(this.file('lock'), 'utf8').trim();
      throw new HdError(
        'HD_RUN_LOCKED',
        `expected a free run folder for --run but ${this.path} is in use by process ${holder}: wait for it, stop it, or choose another folder`,
        this.path,
      );
    }
    this.#lock = lock;
    // What a killed process left behind: half-written files, and drafts of checkpoints.
    for (const folder of [this.path, this.file('checkpoints')]) native().removeTemporaries(folder);
    for (const name of readdirSync(this.file('checkpoints'))) {
      const [path, replaced] = [this.file('checkpoints', name), this.file('checkpoints', name.slice(5))];
      // Killed while a checkpoint was replaced: the old one is still the only one.
      if (name.startsWith('.old-') && !existsSync(replaced)) renameSync(path, replaced);
      else if (/^\.(tmp|old)-/.test(name)) rmSync(path, { recursive: true, force: true });
    }
  }

  #make(): void {
    const first = mkdirSync(this.path, { recursive: true });
    if (first !== undefined) {
      for (let made = this.path; made.length >= first.length; made = dirname(made)) this.#made.push(made);
    }
    const checkpoints = this.file('checkpoints');
    if (existsSync(checkpoints)) return;
    // Not recursively: on a read-only disk that says only that the folder does not exist.
    mkdirSync(checkpoints);
    this.#made.unshift(checkpoints);
  }

  close(): void {
    this.#lock?.release();
    this.#lock = undefined;
  }

  /** Closes a folder in which no run has begun: what {@link open} has made goes, unless something else lies in it. */
  abandon(): void {
    if (!this.#lock) return;
    // While it is held: nobody else takes a lock whose file is about to go.
    if (this.#madeLock) rmSync(this.file('lock'), { force: true });
    this.close();
    for (const folder of this.#made) {
      try {
        rmdirSync(folder);
      } catch {
        return; // somebody has put something there
      }
    }
  }

  /**
   * Writes recipe.yaml. Another recipe that stood there stays beside it, as recipe-0001.yaml, recipe-0002.yaml, … in the
   * order in which they were replaced. Returns the name that it has now; null when nothing was replaced.
   */
  writeRecipe(yaml: string): string | null {
    const path = this.file('recipe.yaml');
    const former = existsSync(path) ? readFileSync(path, 'utf8') : yaml;
    if (former === yaml) {
      native().writeFile(path, yaml);
      return null;
    }
    const last = this.#formerRecipes().at(-1) ?? 0;
    // A process that was killed between the two writes has kept it already.
    const again = last > 0 && readFileSync(this.file(formerName(last)), 'utf8') === former;
    const name = formerName(again ? last : last + 1);
    if (!again) native().writeFile(this.file(name), former);
    native().writeFile(path, yaml);
    return name;
  }

  /** The recipe that the run began with. */
  firstRecipe(): string {
    const [first] = this.#formerRecipes();
    return this.file(first === undefined ? 'recipe.yaml' : formerName(first));
  }

  /** Numbers of those that were replaced, in order. */
  #formerRecipes(): number[] {
    const kept = readdirSync(this.path).filter((name) => /^recipe-\d{4,}\.yaml$/.test(name));
    return kept.map((name) => Number(name.slice(7, -5))).sort((a, b) => a - b);
  }

  /** The checkpoint that `latest` names; null when there is none. @throws HdError HD_CKPT_CORRUPT */
  latest(): Checkpoint | null {
    const name = this.#nameIn('latest');
    return name === null ? null : readCheckpoint(this.file('checkpoints', name));
  }

  /** The best checkpoint so far; null when there is none. @throws HdError HD_CKPT_CORRUPT */
  best(): Checkpoint | null {
    const name = this.bestName();
    return name === null ? null : readCheckpoint(this.file('checkpoints', name));
  }

  /**
   * The run goes on from here: newer checkpoints of this folder, or all when this one is of another, are of a course that
   * is given up. They stay until the first save, but nothing points to them any more.
   */
  goOnFrom({ path, state }: Checkpoint): void {
    const own = dirname(resolve(path)) === this.file('checkpoints');
    if (!own) rmSync(this.file('checkpoints', 'latest'), { force: true });
    else if (this.#nameIn('latest') !== basename(path))
      native().writeFile(this.file('checkpoints', 'latest'), `${basename(path)}\n`);
    const best = this.bestName();
    if (best !== null && (!own || stepOf(best) > state.step)) {
      rmSync(this.file('checkpoints', 'best'));
    }
    native().fsyncPath(this.file('checkpoints'));
  }

  /** A fresh folder to write a checkpoint into; {@link commit} gives it its name. */
  draftCheckpoint(): string {
    const draft = this.file('checkpoints', `.tmp-${process.pid}`);
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(draft, { recursive: true });
    return draft;
  }

  /** Drops a draft that could not be completed. */
  discard(draft: string): void {
    rmSync(draft, { recursive: true, force: true });
  }

  /**
   * Renames a complete draft and points `latest` (and `best`) to it. Of the others stay the best and the newest, `keep`
   * in all; those of later steps, which a resume from before them gave up, go.
   */
  commit(
    draft: string,
    name: string,
    options: { best: boolean; keep: number; at?: (point: FaultPoint) => void },
  ): string {
    const [target, replaced] = [this.file('checkpoints', name), this.file('checkpoints', `.old-${name}`)];
    native().fsyncPath(draft);
    options.at?.('save.before_rename');
    // A folder cannot be renamed over another; `open` puts the old one back where nothing took its place.
    if (existsSync(target)) renameSync(target, replaced);
    renameSync(draft, target);
    native().fsyncPath(this.file('checkpoints'));
    options.at?.('save.after_rename');
    rmSync(replaced, { recursive: true, force: true });
    native().writeFile(this.file('checkpoints', 'latest'), `${name}\n`);
    if (options.best) native().writeFile(this.file('checkpoints', 'best'), `${name}\n`);
    const best = this.bestName();
    const all = readdirSync(this.file('checkpoints'))
      .filter((entry) => /^step-\d+$/.test(entry))
      .sort();
    const kept = all.filter((entry) => entry <= name).slice(-options.keep);
    for (const old of all) {
      if (old !== best && !kept.includes(old))
        rmSync(this.file('checkpoints', old), { recursive: true, force: true });
    }
    return target;
  }

  bestName(): string | null {
    return this.#nameIn('best');
  }

  #nameIn(pointer: string): string | null {
    const path = this.file('checkpoints', pointer);
    return existsSync(path) ? readFileSync(path, 'utf8').trim() : null;
  }
}

/** `step-0000000123`: sorts by step. */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(10, '0')}`;
}

function formerName(number: number): string {
  return `recipe-${String(number).padStart(4, '0')}.yaml`;
}

function stepOf(name: string): number {
  return Number(name.slice('step-'.length));
}

export function readCheckpoint(path: string): Checkpoint {
  const file = join(path, 'state.json');
  try {
    const state = JSON.parse(readFileSync(file, 'utf8')) as CheckpointState;
    if (state.format !== checkpointFormat || !Number.isInteger(state.step))
      throw new Error('not a checkpoint state of this version');
    return { path, state };
  } catch (error) {
    throw new HdError(
      'HD_CKPT_CORRUPT',
      `expected a readable checkpoint state but ${file} is none (${(error as Error).message}): name another checkpoint with --resume DIR`,
      file,
      { cause: error },
    );
  }
}
