/** TFRecord framing: length, its checksum, data, its checksum; little endian. */

/** CRC-32C (Castagnoli, reflected polynomial 0x82f63b78) of each byte. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; ++bit) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 255] as number);
  return (crc ^ 0xffffffff) >>> 0;
}

/** A checksum that may itself stand in data that is summed up: rotated by 15 bits, plus a constant. */
export function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const head = 12;
const tail = 4;

export function frame(data: Uint8Array): Buffer {
  const record = Buffer.alloc(head + data.length + tail);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(data, head);
  record.writeUInt32LE(maskedCrc(data), head + data.length);
  return record;
}

/** Whole, undamaged records from the start on; `end` is the offset behind each. Stops at the first that is neither. */
export function* records(file: Buffer): Generator<{ data: Buffer; end: number }> {
  for (let at = 0; at + head + tail <= file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    const end = at + head + length + tail;
    if (end > file.length || file.readUInt32LE(at + 8) !== maskedCrc(file.subarray(at, at + 8))) return;
    const data = file.subarray(at + head, end - tail);
    if (file.readUInt32LE(end - tail) !== maskedCrc(data)) return;
    yield { data, end };
    at = end;
  }
}
