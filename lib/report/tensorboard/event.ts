/**
 * TensorBoard's events as protocol buffers, the few fields that are needed:
 * Event {1 wall_time: double, 2 step: int64, 3 file_version: string, 5 summary}, Summary {1 value, repeated},
 * Value {1 tag: string, 2 simple_value: float, 4 image}, Image {1 height, 2 width, 3 colorspace, 4 encoded_image_string}.
 */

export interface Picture {
  width: number;
  height: number;
  /** A PNG or JPEG file. */
  data: Uint8Array;
}

export interface Event {
  /** Seconds since 1970. */
  time: number;
  step: number;
  scalars?: Record<string, number>;
  pictures?: Record<string, Picture>;
}

/** What a file begins with. */
export function versionEvent(time: number): Buffer {
  return Buffer.concat([double(1, time), bytes(3, Buffer.from('brain.Event:2'))]);
}

export function encodeEvent({ time, step, scalars = {}, pictures = {} }: Event): Buffer {
  const values = [
    ...Object.entries(scalars).map(([tag, value]) => [bytes(1, Buffer.from(tag)), float(2, value)]),
    ...Object.entries(pictures).map(([tag, picture]) => [
      bytes(1, Buffer.from(tag)),
      bytes(4, imageOf(picture)),
    ]),
  ];
  const summary = values.map((fields) => bytes(1, Buffer.concat(fields)));
  return Buffer.concat([double(1, time), integer(2, step), bytes(5, Buffer.concat(summary))]);
}

/** The step of an event; 0 where it has none. */
export function stepOf(event: Buffer): number {
  for (let at = 0; at < event.length; ) {
    const key = varint(event, at);
    if (key.value === 2 << 3) return varint(event, key.end).value;
    const wire = key.value & 7;
    if (wire === 0) at = varint(event, key.end).end;
    else if (wire === 1) at = key.end + 8;
    else if (wire === 5) at = key.end + 4;
    else {
      const length = varint(event, key.end);
      at = length.end + length.value;
    }
  }
  return 0;
}

function imageOf({ width, height, data }: Picture): Buffer {
  const rgb = 3;
  return Buffer.concat([integer(1, height), integer(2, width), integer(3, rgb), bytes(4, data)]);
}

function varintOf(value: number): Buffer {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) + 128);
  return Buffer.from([...out, rest]);
}

function varint(buffer: Buffer, at: number): { value: number; end: number } {
  let value = 0;
  for (let i = at, factor = 1; i < buffer.length; ++i, factor *= 128) {
    const byte = buffer[i] as number;
    value += (byte & 127) * factor;
    if (byte < 128) return { value, end: i + 1 };
  }
  return { value, end: buffer.length };
}

const key = (field: number, wire: number) => varintOf(field * 8 + wire);
const integer = (field: number, value: number) => Buffer.concat([key(field, 0), varintOf(value)]);
const bytes = (field: number, data: Uint8Array) =>
  Buffer.concat([key(field, 2), varintOf(data.length), data]);

function double(field: number, value: number): Buffer {
  const data = Buffer.alloc(8);
  data.writeDoubleLE(value);
  return Buffer.concat([key(field, 1), data]);
}

function float(field: number, value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeFloatLE(value);
  return Buffer.concat([key(field, 5), data]);
}
