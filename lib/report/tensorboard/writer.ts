/** Event files of a run folder: one a sitting. */
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { type Event, encodeEvent, stepOf, versionEvent } from './event.ts';
import { frame, records } from './record.ts';

const isEventFile = (name: string) => name.startsWith('events.out.tfevents.');

/**
 * Cuts the event files of earlier sittings back to a step, so that no step stands twice whatever reads them. What a
 * killed process wrote half of goes too; a file that then says nothing is deleted.
 */
export function cutEvents(folder: string, step: number): void {
  for (const name of readdirSync(folder).filter(isEventFile)) {
    const path = join(folder, name);
    let [end, events] = [0, 0];
    for (const record of records(readFileSync(path))) {
      if (stepOf(record.data) > step) break;
      end = record.end;
      events += 1;
    }
    const versionAlone = 1;
    if (events <= versionAlone) rmSync(path);
    else if (end < statSync(path).size) truncateSync(path, end);
  }
}

export class EventWriter {
  #file: number | null = null;
  #count = 0;

  constructor(private readonly folder: string) {}

  /** The file is made with its first event. After a failure the next event begins a new one: behind half a record nothing is found. */
  write(event: Event): void {
    try {
      this.#file ??= this.#begin(event.time);
      append(this.#file, encodeEvent(event));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #begin(time: number): number {
    const path = () =>
      join(
        this.folder,
        `events.out.tfevents.${String(Math.floor(time)).padStart(10, '0')}.hdtrain.${process.pid}.${this.#count}`,
      );
    while (existsSync(path())) this.#count += 1;
    const file = openSync(path(), 'ax');
    this.#file = file;
    append(file, versionEvent(time));
    return file;
  }
}

function append(file: number, data: Buffer): void {
  const record = frame(data);
  for (let at = 0; at < record.length; ) at += writeSync(file, record, at);
}
