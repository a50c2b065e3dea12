/**
 * Reads event files by what the formats say, and shares nothing with the writer: checksums bit by bit, protocol buffers
 * as a list of fields.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** CRC-32C by long division, one bit at a time. */
export function slowCrc32c(data: Uint8Array): number {
  const polynomial = 0x1edc6f41n;
  const reflect = (value: bigint, bits: number) =>
    BigInt(`0b${value.toString(2).padStart(bits, '0').split('').reverse().join('')}`);
  let crc = 0xffffffffn;
  for (const byte of data) {
    crc ^= reflect(BigInt(byte), 8) << 24n;
    for (let i = 0; i < 8; ++i)
      crc = crc & 0x80000000n ? ((crc << 1n) ^ polynomial) & 0xffffffffn : crc << 1n;
  }
  return Number(reflect(crc ^ 0xffffffffn, 32));
}

function unmask(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

type Field = { number: number; value: bigint | Buffer };

function fieldsOf(message: Buffer): Field[] {
  let at = 0;
  const varint = () => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = BigInt(message[at++] as number);
      value |= (byte & 127n) << shift;
      shift += 7n;
      if (byte < 128n) return value;
    }
  };
  const take = (length: number) => {
    at += length;
    if (at > message.length) throw new Error('a field reaches beyond its message');
    return message.subarray(at - length, at);
  };
  const fields: Field[] = [];
  while (at < message.length) {
    const key = Number(varint());
    const value = { 0: varint, 1: () => take(8), 2: () => take(Number(varint())), 5: () => take(4) }[key & 7];
    if (!value) throw new Error(`wire type ${key & 7}`);
    fields.push({ number: key >> 3, value: value() });
  }
  return fields;
}

export interface ReadEvent {
  time: number;
  step: number;
  version?: string;
  scalars: Record<string, number>;
  pictures: Record<string, { width: number; height: number; data: Buffer }>;
}

function eventOf(message: Buffer): ReadEvent {
  const event: ReadEvent = {
    time: Number.NaN,
    step: 0,
    scalars: Object.create(null),
    pictures: Object.create(null),
  };
  for (const { number, value } of fieldsOf(message)) {
    if (number === 1) event.time = (value as Buffer).readDoubleLE();
    if (number === 2) event.step = Number(value);
    if (number === 3) event.version = String(value);
    if (number !== 5) continue;
    for (const entry of fieldsOf(value as Buffer)) {
      const fields = fieldsOf(entry.value as Buffer);
      const get = (of: Field[], wanted: number) => of.find((field) => field.number === wanted)?.value;
      const tag = String(get(fields, 1));
      const scalar = get(fields, 2) as Buffer | undefined;
      if (scalar) event.scalars[tag] = scalar.readFloatLE();
      const image = get(fields, 4) as Buffer | undefined;
      if (!image) continue;
      const parts = fieldsOf(image);
      event.pictures[tag] = {
        height: Number(get(parts, 1)),
        width: Number(get(parts, 2)),
        data: get(parts, 4) as Buffer,
      };
    }
  }
  return event;
}

/** Throws at anything that is not whole. */
export function readEvents(path: string): ReadEvent[] {
  const file = readFileSync(path);
  const events: ReadEvent[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    const data = file.subarray(at + 12, at + 12 + length);
    if (data.length !== length) throw new Error('half a record');
    for (const [bytes, place] of [
      [file.subarray(at, at + 8), at + 8],
      [data, at + 12 + length],
    ] as const)
      if (slowCrc32c(bytes) !== unmask(file.readUInt32LE(place))) throw new Error(`checksum at ${place}`);
    events.push(eventOf(data));
    at += 12 + length + 4;
  }
  return events;
}

export const eventFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.includes('tfevents'))
    .sort()
    .map((name) => join(folder, name));
