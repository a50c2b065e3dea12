/** Numbers for people. */

export function count(value: number): string {
  return value.toLocaleString('en-US');
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

/** A share with three decimals; a dash when there was nothing to measure (-1) or no such metric. */
export function metric(value: unknown): string {
  return typeof value === 'number' && value !== -1 ? value.toFixed(3) : '–';
}

/** 9.4 s, 3 min 05 s, 2 h 07 min. */
export function clock(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return hours > 0 ? `${hours} h ${two(minutes)} min` : `${minutes} min ${two(rest)} s`;
}

/** 512 B, 1.5 MB, 2.25 GB: powers of 1024, three digits. */
export function bytes(size: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = size < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(size) / 10));
  return `${Number((size / 1024 ** power).toPrecision(3))} ${units[power]}`;
}
