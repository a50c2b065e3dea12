/**
 * The learning-rate range test (Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3): the rate
 * rises by equal factors from step to step while the smoothed loss is watched.
 */
export interface RangePoint {
  lr: number;
  loss: number;
  smooth: number;
}

export interface RangeOptions {
  from: number;
  to: number;
  steps: number;
}

/** Share of the running mean that a step keeps; the mean is corrected for its start. */
const keep = 0.9;
/** A smoothed loss above so many times its least value ends the test. */
const explosion = 4;

/** The rate of step i, geometric from `from` to `to`. */
export function rangeRate({ from, to, steps }: RangeOptions, i: number): number {
  return from * (to / from) ** (steps > 1 ? i / (steps - 1) : 0);
}

/** Calls `loss(rate, i)` until the rates are used up or the loss explodes (also when it is not finite or throws null). */
export async function rangeTest(
  options: RangeOptions,
  loss: (lr: number, i: number) => Promise<number | null>,
): Promise<RangePoint[]> {
  const points: RangePoint[] = [];
  let mean = 0;
  let least = Infinity;
  for (let i = 0; i < options.steps; ++i) {
    const lr = rangeRate(options, i);
    const value = await loss(lr, i);
    if (value === null || !Number.isFinite(value)) break;
    mean = keep * mean + (1 - keep) * value;
    const smooth = mean / (1 - keep ** (i + 1));
    points.push({ lr, loss: value, smooth });
    least = Math.min(least, smooth);
    if (smooth > explosion * least) break;
  }
  return points;
}

/**
 * The rate where the smoothed loss falls fastest over the logarithm of the rate, before its minimum. The first tenth,
 * where the mean still settles, does not count. Null with fewer than ten points, or when nothing falls.
 */
export function suggestRate(points: readonly RangePoint[]): number | null {
  if (points.length < 10) return null;
  const least = points.reduce(
    (best, point, i) => (point.smooth < (points[best]?.smooth ?? Infinity) ? i : best),
    0,
  );
  let steepest = 0;
  let at: number | null = null;
  for (let i = Math.ceil(points.length / 10) + 1; i <= least; ++i) {
    const [before, point] = [points[i - 1] as RangePoint, points[i] as RangePoint];
    const slope = (point.smooth - before.smooth) / Math.log(point.lr / before.lr);
    if (slope < steepest) [steepest, at] = [slope, point.lr];
  }
  return at;
}
