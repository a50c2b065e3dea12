/**
 * A program's pictures that come in an order of their own: an async iterable as a data set.
 *
 * Invariants: the n-th sample that the loader needs is the n-th of the iterable, whatever order decode threads ask in; no more
 * is pulled than was asked for. The loader must not shuffle, nor replace bad samples by their neighbours.
 */
import { HdError } from '../error.ts';
import type { SourceSample } from './source.ts';

export interface StreamPlace {
  /** 0-based. */
  epoch: number;
  /** Samples of this epoch that were used already. */
  position: number;
}

/** Give `start`, and resumed runs are exact; or be an async iterable, which starts anew when it ends or a run is resumed. */
export interface StreamSource extends Partial<AsyncIterable<SourceSample>> {
  /** How many samples count as an epoch (rounded down to whole batches), or as one pass of validation. */
  readonly length: number;
  /** Names of the classes; a label is a position in it. */
  readonly classes: readonly string[];
  /** The samples from a place on, at least to the end of its epoch. */
  start?(place: StreamPlace): AsyncIterable<SourceSample>;
  /** Called when a moved buffer is free again; `index` counts within the epoch. */
  onReturn?(index: number, buffer: ArrayBuffer): void;
}

interface Waiter {
  resolve(sample: SourceSample): void;
  reject(error: unknown): void;
}

export class Stream {
  readonly #source: StreamSource;
  /** Samples of an epoch or pass. */
  readonly length: number;
  readonly #anewEachPass: boolean;
  #iterator: AsyncIterator<SourceSample> | null = null;
  #first = 0;
  /** Number of the next sample to pull, counted from epoch 0. */
  #cursor = 0;
  /** Of validation, counted from 0. */
  #pass = 0;
  readonly #asked = new Map<number, number>();
  readonly #ready = new Map<number, SourceSample>();
  readonly #waiting = new Map<number, Waiter>();
  #pumping = false;

  /** @param batch the length is cut to its multiple. `anewEachPass`: validation sees the same samples each time. */
  constructor(source: StreamSource, options: { batch: number; anewEachPass: boolean }) {
    this.#source = source;
    this.length = Math.floor(source.length / options.batch) * options.batch;
    this.#anewEachPass = options.anewEachPass;
    if (typeof source.start !== 'function' && typeof source[Symbol.asyncIterator] !== 'function') {
      throw new HdError(
        'HD_DATA_SOURCE',
        `expected get(index), start(place) or an async iterable for the source but received ${Object.keys(source).join(', ') || 'nothing'}`,
      );
    }
    if (this.length < 1) {
      throw new HdError(
        'HD_DATA_SOURCE',
        `expected at least ${options.batch} for the length of a stream (one batch) but received ${source.length}`,
      );
    }
  }

  /** Whether a resumed run sees what the uninterrupted one would. */
  get exact(): boolean {
    return typeof this.#source.start === 'function';
  }

  /** Where the next request stands. Call before the loader begins. */
  begin(place: StreamPlace): void {
    this.close();
    this.#first = this.#cursor = place.epoch * this.length + place.position;
    this.#asked.clear();
    this.#ready.clear();
  }

  /** Sample `index` of the epoch or pass. */
  get(index: number): Promise<SourceSample> {
    const number = this.#numberOf(index);
    const sample = this.#ready.get(number);
    if (sample) {
      this.#ready.delete(number);
      return Promise.resolve(sample);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      void this.#pump();
    });
  }

  /**
   * The k-th request for the same index means the k-th epoch since begin(). A pass of validation may have been left early:
   * there, an index that comes again begins the next.
   */
  #numberOf(index: number): number {
    const times = this.#asked.get(index) ?? 0;
    if (this.#anewEachPass) {
      if (times > 0) {
        this.#pass += 1;
        this.#asked.clear();
      }
      this.#asked.set(index, 1);
      return this.#pass * this.length + index;
    }
    this.#asked.set(index, times + 1);
    const skipped = index < this.#first % this.length ? 1 : 0;
    return (Math.floor(this.#first / this.length) + skipped + times) * this.length + index;
  }

  /** Lets the iterable clean up. */
  close(): void {
    void this.#iterator?.return?.()?.then(undefined, () => {});
    this.#iterator = null;
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#waiting.size > 0) {
        this.#leavePass();
        const sample = await this.#next();
        const number = this.#cursor++;
        const waiter = this.#waiting.get(number);
        this.#waiting.delete(number);
        if (waiter) waiter.resolve(sample);
        else this.#ready.set(number, sample);
      }
    } catch (error) {
      for (const waiter of this.#waiting.values()) waiter.reject(error);
      this.#waiting.clear();
    } finally {
      this.#pumping = false;
    }
  }

  /** A pass that was left early is not pulled to its end: the next one begins anew anyway. */
  #leavePass(): void {
    if (!this.#anewEachPass) return;
    const wanted = Math.floor(Math.min(...this.#waiting.keys()) / this.length);
    if (wanted <= Math.floor(this.#cursor / this.length)) return;
    this.#cursor = wanted * this.length;
    this.#ready.clear();
  }

  async #next(): Promise<SourceSample> {
    const place = { epoch: Math.floor(this.#cursor / this.length), position: this.#cursor % this.length };
    if (this.#anewEachPass && place.position === 0) this.close();
    for (const attempt of ['running', 'anew']) {
      if (!this.#iterator || attempt === 'anew') this.#iterator = this.#open(place);
      const { value, done } = await this.#iterator.next();
      if (!done) return value;
    }
    throw new HdError(
      'HD_DATA_SOURCE',
      `expected a sample at position ${place.position} of epoch ${place.epoch} but the stream ended at once: set its length to what it gives, or let it start again`,
    );
  }

  #open(place: StreamPlace): AsyncIterator<SourceSample> {
    const source = this.#source;
    const iterable = source.start ? source.start(place) : (source as AsyncIterable<SourceSample>);
    return iterable[Symbol.asyncIterator]();
  }
}
