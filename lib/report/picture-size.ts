/** Width and height from the first bytes of a PNG or JPEG file; null when it is neither. */
export function pictureSize(file: Buffer): { width: number; height: number } | null {
  if (file.length >= 24 && file.readUInt32BE(0) === 0x89504e47)
    return { width: file.readUInt32BE(16), height: file.readUInt32BE(20) };
  if (file.length < 4 || file.readUInt16BE(0) !== 0xffd8) return null;
  for (let at = 2; at + 9 <= file.length; at += 2 + file.readUInt16BE(at + 2)) {
    const marker = file[at + 1] as number;
    if (file[at] !== 0xff) return null;
    // Start of frame, whatever the coding; C4, C8 and CC are tables and extensions.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return { width: file.readUInt16BE(at + 7), height: file.readUInt16BE(at + 5) };
  }
  return null;
}
