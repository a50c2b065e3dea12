/** Points of a quantity over steps, in memory that does not grow with the run. */

export type Point = readonly [x: number, y: number];

/**
 * At most `limit` (≥ 4) points that look the same: the first and the last, and of equal parts between them the lowest and
 * the highest, in their order. A single spike is never lost.
 */
export function thin(points: readonly Point[], limit: number): Point[] {
  if (points.length <= limit) return [...points];
  const parts = Math.floor((limit - 2) / 2);
  const inner = points.length - 2;
  const kept: Point[] = [points[0] as Point];
  for (let part = 0; part < parts; ++part) {
    const begin = 1 + Math.floor((part * inner) / parts);
    const end = 1 + Math.floor(((part + 1) * inner) / parts);
    let [low, high] = [begin, begin];
    for (let i = begin + 1; i < end; ++i) {
      if (valueAt(points, i) < valueAt(points, low)) low = i;
      if (valueAt(points, i) > valueAt(points, high)) high = i;
    }
    kept.push(points[Math.min(low, high)] as Point);
    if (low !== high) kept.push(points[Math.max(low, high)] as Point);
  }
  kept.push(points[points.length - 1] as Point);
  return kept;
}

const valueAt = (points: readonly Point[], i: number) => (points[i] as Point)[1];

/** Points kept at most; beyond, they are thinned to half. */
const capacity = 8000;

export class Curve {
  #points: Point[] = [];

  /** What is not finite leaves a gap. */
  add(x: number, y: number): void {
    if (!Number.isFinite(x) || !Number.isFinite(y)) return;
    this.#points.push([x, y]);
    if (this.#points.length > capacity) this.#points = thin(this.#points, capacity / 2);
  }

  points(limit: number): Point[] {
    return thin(this.#points, limit);
  }

  get last(): Point | undefined {
    return this.#points.at(-1);
  }
}
