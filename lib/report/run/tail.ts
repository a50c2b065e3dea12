/** Follows a file of lines that a running program appends to, by byte offset: what was read is not read again. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Bytes before the offset that must still be what they were; otherwise the file was cut or replaced. */
const remembered = 256;
const chunk = 1 << 20;

export class Tail {
  #offset = 0;
  #before = Buffer.alloc(0);
  /** The beginning of a line whose end is still to come. */
  #rest: Buffer[] = [];

  constructor(
    private readonly path: string,
    private readonly take: (line: string) => void,
    /** Called before lines are given again from the first on. */
    private readonly anew: () => void,
  ) {}

  /** Gives all complete lines that are new. False when nothing has changed; a file that is not there has no lines. */
  read(): boolean {
    let file: number;
    try {
      file = openSync(this.path, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return this.#offset > 0 && this.#restart();
    }
    try {
      const { size } = fstatSync(file);
      const replaced = this.#offset > 0 && !this.#isSame(file, size);
      if (replaced) this.#restart();
      const grown = size > this.#offset;
      while (this.#offset < size) {
        const bytes = Buffer.alloc(Math.min(chunk, size - this.#offset));
        const count = readSync(file, bytes, 0, bytes.length, this.#offset);
        if (count === 0) break;
        this.#offset += count;
        this.#digest(bytes.subarray(0, count));
      }
      return replaced || grown;
    } finally {
      closeSync(file);
    }
  }

  #restart(): true {
    this.#offset = 0;
    this.#before = Buffer.alloc(0);
    this.#rest = [];
    this.anew();
    return true;
  }

  #isSame(file: number, size: number): boolean {
    if (size < this.#offset) return false;
    const now = Buffer.alloc(this.#before.length);
    readSync(file, now, 0, now.length, this.#offset - now.length);
    return now.equals(this.#before);
  }

  #digest(bytes: Buffer): void {
    this.#before = Buffer.concat([this.#before, bytes]).subarray(-remembered);
    let from = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      this.take(Buffer.concat([...this.#rest, bytes.subarray(from, end)]).toString('utf8'));
      this.#rest = [];
      from = end + 1;
    }
    if (from < bytes.length) this.#rest.push(bytes.subarray(from));
  }
}
