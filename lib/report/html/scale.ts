/** From values to pixels. */

export interface Scale {
  low: number;
  high: number;
  /** Equal factors are equal distances. */
  log: boolean;
  place(value: number): number;
}

/** Beyond this ratio of largest and smallest, a linear axis shows nothing of the small ones. */
const wide = 30;

/**
 * Bounds are those of the values, never too close; `mayBeLog`: logarithmic where all values are positive and far apart.
 */
export function scaleOf(values: readonly number[], [from, to]: [number, number], mayBeLog: boolean): Scale {
  let low = values.reduce((a, b) => Math.min(a, b), Infinity);
  let high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const largest = Math.max(Math.abs(low), Math.abs(high));
  if (!(high - low > Math.max(1e-9 * largest, 1e-100))) {
    const room = largest > 1e-100 ? largest / 10 : 1;
    [low, high] = [low - room, high + room];
  }
  const log = mayBeLog && low > 0 && high / low > wide;
  const turn = log ? Math.log10 : (value: number) => value;
  const span = turn(high) - turn(low);
  return { low, high, log, place: (value) => from + ((turn(value) - turn(low)) / span) * (to - from) };
}

/** Round values between the bounds: steps of 1, 2 or 5 times a power of ten; on a logarithmic axis powers of ten. */
export function ticksOf({ low, high, log }: Scale, about: number): number[] {
  if (log) {
    const [first, last] = [Math.floor(Math.log10(low)), Math.floor(Math.log10(high))];
    const powers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const every = Math.max(1, Math.ceil((powers.length - 1) / about));
    const factors = powers.length <= 3 ? [1, 2, 5] : [1];
    return powers
      .filter((power) => (last - power) % every === 0)
      .flatMap((power) => factors.map((factor) => Number(`${factor}e${power}`)))
      .filter((value) => value >= low && value <= high);
  }
  const raw = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}
