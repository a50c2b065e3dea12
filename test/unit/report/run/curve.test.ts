import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Curve, type Point, thin } from '../../../../lib/report/run/curve.ts';

const values = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), {
  minLength: 1,
  maxLength: 300,
});
const pointsOf = (ys: readonly number[]) => ys.map((y, x): Point => [x, y]);
const heights = (points: readonly Point[]) => points.map(([, y]) => y);

describe('thin', () => {
  test('as many as asked for, the ends and the extremes among them, in order, none invented', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 4, max: 60 }), (ys, limit) => {
        const points = pointsOf(ys);
        const kept = thin(points, limit);
        assert.ok(kept.length <= Math.max(limit, 1));
        assert.deepEqual(kept[0], points[0]);
        assert.deepEqual(kept.at(-1), points.at(-1));
        assert.equal(Math.min(...heights(kept)), Math.min(...ys));
        assert.equal(Math.max(...heights(kept)), Math.max(...ys));
        for (const [i, point] of kept.entries()) {
          assert.equal(points[point[0]], point);
          if (i > 0) assert.ok((kept[i - 1] as Point)[0] < point[0]);
        }
      }),
    );
  });
  test('few points stay what they are', () => {
    const points = pointsOf([1, 2, 3, 4]);
    assert.deepEqual(thin(points, 4), points);
    assert.notEqual(thin(points, 4), points);
  });
  test('each part has its own extremes: a wave keeps its shape', () => {
    const wave = pointsOf(Array.from({ length: 1000 }, (_, i) => Math.sin(i / 20)));
    const kept = thin(wave, 200);
    const near = (x: number) => kept.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
    for (let x = 0; x < 1000; x += 50) assert.ok(Math.abs(near(x)[1] - Math.sin(x / 20)) < 0.6);
  });
});

describe('Curve', () => {
  test('a long run takes no more memory than a short one, and a spike survives every thinning', () => {
    const curve = new Curve();
    for (let step = 0; step < 100_000; ++step) curve.add(step, step === 777 ? 1e6 : step % 10);
    assert.ok(curve.points(Infinity).length <= 8000);
    assert.ok(curve.points(100).some(([x, y]) => x === 777 && y === 1e6));
    assert.deepEqual(curve.last, [99_999, 9]);
  });
  test('what is not finite is left out', () => {
    const curve = new Curve();
    for (const y of [1, Number.NaN, Infinity, 2]) curve.add(0, y);
    assert.deepEqual(heights(curve.points(10)), [1, 2]);
    assert.equal(new Curve().last, undefined);
  });
});
