/** A run as its folder shows it, also while it is written: nothing here needs the program that trains. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { plainRecipe } from '../../recipe/index.ts';
import { type Diagnosis, parseDiagnosis } from './diagnosis.ts';
import { flat } from './differences.ts';
import { History } from './history.ts';
import { parseStatus, type RunStatus } from './status.ts';
import { Tail } from './tail.ts';

export interface PictureSet {
  /** Steps that the network had done. */
  step: number;
  /** Relative to the run folder. */
  files: string[];
}

export class RunReader {
  readonly path: string;
  readonly name: string;
  history = new History();
  status: RunStatus | null = null;
  diagnosis: Diagnosis | null = null;
  /** The resolved recipe that the run began with, as YAML. */
  recipe = '';
  /** Its fields by path, values as JSON. */
  fields = new Map<string, string>();
  pictures: PictureSet[] = [];
  /** Why the folder could not be read the last time; what was read before stays. Else ''. */
  trouble = '';
  readonly #metrics: Tail;
  /** State of the small files when they were read. */
  #stamps = '';

  constructor(path: string) {
    this.path = resolve(path);
    this.name = basename(this.path);
    this.#metrics = new Tail(
      join(this.path, 'metrics.jsonl'),
      (line) => this.history.addLine(line),
      () => {
        this.history = new History();
      },
    );
  }

  /** Reads what is new; false when nothing is. Never throws: a folder that cannot be read now may be later. */
  refresh(): boolean {
    const before = this.trouble;
    try {
      this.trouble = '';
      return this.#read() || before !== '';
    } catch (error) {
      this.trouble = (error as Error).message;
      return this.trouble !== before;
    }
  }

  #read(): boolean {
    const more = this.#metrics.read();
    const files = ['status.json', 'diagnosis.json', 'recipe.yaml'];
    const pictures = pictureSets(this.path);
    const stamps = JSON.stringify([...files.map((name) => stampOf(join(this.path, name))), pictures]);
    if (stamps === this.#stamps) return more;
    const [status, diagnosis, recipe] = files.map((name) => textOf(join(this.path, name)));
    this.status = parseStatus(status ?? '');
    this.diagnosis = parseDiagnosis(diagnosis ?? '');
    this.recipe = (recipe ?? '').replace(/^# yaml-language-server:.*\n/, '');
    this.fields = flat(plainRecipe(this.recipe));
    this.pictures = pictures;
    this.#stamps = stamps;
    return true;
  }
}

/** Whether a run has begun in this folder. */
export function isRunFolder(path: string): boolean {
  return ['metrics.jsonl', 'recipe.yaml', 'checkpoints'].some((name) => existsSync(join(path, name)));
}

function stampOf(path: string): string {
  const entry = statSync(path, { throwIfNoEntry: false });
  return entry ? `${entry.ino}:${entry.size}:${entry.mtimeMs}` : '';
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** pictures/step-N/… in the order of steps. */
export function pictureSets(run: string): PictureSet[] {
  const names = (folder: string) =>
    existsSync(join(run, folder)) ? readdirSync(join(run, folder), { withFileTypes: true }) : [];
  const filesIn = (folder: string) =>
    names(folder)
      .filter((entry) => entry.isFile() && /\.(jpe?g|png)$/i.test(entry.name))
      .map((entry) => `${folder}/${entry.name}`)
      .sort();
  const steps = names('pictures').flatMap((entry) => {
    const step = /^step-(\d+)$/.exec(entry.name)?.[1];
    return entry.isDirectory() && step !== undefined ? [{ step: Number(step), folder: entry.name }] : [];
  });
  return steps
    .sort((a, b) => a.step - b.step)
    .map(({ step, folder }) => ({ step, files: filesIn(`pictures/${folder}`) }))
    .filter(({ files }) => files.length > 0);
}
