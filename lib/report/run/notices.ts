/** What a run warned of and which pictures it could not use, from its lines in metrics.jsonl: each told once, with how often. */

export interface Notice {
  message: string;
  /** Finished steps when it was told first and last. */
  first: number;
  last: number;
  times: number;
}

export interface BadPicture {
  file: string;
  split: 'train' | 'val';
  why: string;
}

/** Different warnings that are kept; numbers in their sentences make more of them than anybody reads. */
const mostWarnings = 200;

export class Notices {
  readonly #warnings = new Map<string, Notice>();
  readonly #pictures = new Map<string, BadPicture>();

  /** In the order in which they came first. */
  get warnings(): Notice[] {
    return [...this.#warnings.values()];
  }

  get pictures(): BadPicture[] {
    return [...this.#pictures.values()];
  }

  addWarning(step: number, message: unknown): void {
    if (typeof message !== 'string') return;
    const known = this.#warnings.get(message);
    if (known) Object.assign(known, { last: step, times: known.times + 1 });
    else if (this.#warnings.size < mostWarnings)
      this.#warnings.set(message, { message, first: step, last: step, times: 1 });
  }

  /** A run that was resumed names its bad pictures anew. */
  addPictures(split: unknown, samples: unknown): void {
    for (const sample of Array.isArray(samples) ? samples : []) {
      const { file, message } = (sample ?? {}) as Record<string, unknown>;
      if (typeof file !== 'string') continue;
      const of = split === 'val' ? 'val' : 'train';
      this.#pictures.set(`${of}:${file}`, { file, split: of, why: String(message ?? '') });
    }
  }
}
