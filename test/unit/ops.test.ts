import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ops } from '../../lib/index.ts';

const box = fc
  .tuple(
    fc.integer({ min: 0, max: 90 }),
    fc.integer({ min: 0, max: 90 }),
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 1, max: 40 }),
  )
  .map(([x, y, w, h]) => [x, y, x + w, y + h] as const);
const candidates = fc.array(
  fc.tuple(box, fc.float({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 0, max: 3 })),
  {
    maxLength: 60,
  },
);

function arrays(list: readonly (readonly [readonly number[], number, number])[]) {
  return {
    boxes: Float32Array.from(list.flatMap(([corners]) => [...corners])),
    scores: Float32Array.from(list, ([, score]) => score),
    labels: Int32Array.from(list, ([, , label]) => label),
  };
}

function iou(a: Float32Array, b: Float32Array): number {
  const [ax1 = 0, ay1 = 0, ax2 = 0, ay2 = 0] = a;
  const [bx1 = 0, by1 = 0, bx2 = 0, by2 = 0] = b;
  const common =
    Math.max(0, Math.min(ax2, bx2) - Math.max(ax1, bx1)) *
    Math.max(0, Math.min(ay2, by2) - Math.max(ay1, by1));
  return common / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - common);
}

describe('ops.nms', () => {
  test('kept boxes do not overlap more than the threshold, dropped ones overlap a better one of their class', () => {
    fc.assert(
      fc.property(candidates, fc.constantFrom(0.2, 0.5, 0.7), (list, iouThreshold) => {
        const { boxes, scores, labels } = arrays(list);
        const { keep } = ops.nms(boxes, scores, { labels, iouThreshold });
        const at = (i: number) => boxes.subarray(4 * i, 4 * i + 4);
        const kept = new Set(keep);
        for (const a of keep) {
          for (const b of keep)
            assert.ok(a === b || labels[a] !== labels[b] || iou(at(a), at(b)) <= iouThreshold + 1e-6);
        }
        for (let i = 0; i < scores.length; ++i) {
          if (kept.has(i)) continue;
          assert.ok(
            [...keep].some(
              (k) =>
                labels[k] === labels[i] &&
                (scores[k] ?? 0) >= (scores[i] ?? 0) &&
                iou(at(k), at(i)) > iouThreshold - 1e-6,
            ),
          );
        }
      }),
    );
  });

  test('results come by falling score, as many as asked for, and the arguments stay as they were', () => {
    fc.assert(
      fc.property(candidates, fc.integer({ min: 0, max: 5 }), (list, limit) => {
        const { boxes, scores, labels } = arrays(list);
        const before = [boxes.slice(), scores.slice(), labels.slice()];
        for (const kind of ['greedy', 'cluster-diou', 'soft-gaussian'] as const) {
          for (const voting of ['none', 'score', 'paa'] as const) {
            if (kind === 'soft-gaussian' && voting !== 'none') continue;
            const found = ops.nms(boxes, scores, { labels, kind, voting, limit });
            assert.ok(found.keep.length <= limit);
            assert.equal(found.boxes.length, 4 * found.keep.length);
            assert.deepEqual(
              [...found.scores],
              [...found.scores].sort((a, b) => b - a),
            );
          }
        }
        assert.deepEqual([boxes, scores, labels], before);
      }),
    );
  });

  test('the published toy case: voting moves the boxes', () => {
    const boxes = Float32Array.of(10, 10, 50, 50, 12, 11, 52, 49, 11, 9, 49, 52);
    const found = ops.nms(boxes, Float32Array.of(0.9, 0.8, 0.7), { kind: 'cluster-diou', voting: 'score' });
    assert.deepEqual([...found.keep], [0]);
    assert.ok(Math.abs((found.boxes[0] ?? 0) - 10.672607) < 0.05);
    const still = ops.nms(boxes, Float32Array.of(0.9, 0.8, 0.7), { kind: 'cluster' });
    assert.deepEqual([...still.boxes], [10, 10, 50, 50]);
  });

  test('what does not fit is refused with the name of the argument', () => {
    const boxes = new Float32Array(8);
    const scores = new Float32Array(2);
    const refused = (call: () => unknown, message: RegExp) =>
      assert.throws(call, { code: 'HD_USAGE', message });
    refused(() => ops.nms(new Float32Array(7), scores), /8 numbers for boxes but received 7/);
    refused(() => ops.nms([1, 2] as never, scores), /Float32Array for boxes but received Array/);
    refused(() => ops.nms(boxes, new Float64Array(2) as never), /Float32Array for scores/);
    refused(() => ops.nms(boxes, scores, { labels: new Int32Array(1) }), /2 numbers for labels/);
    refused(() => ops.nms(boxes, scores, { iouThreshold: 2 }), /iouThreshold/);
    refused(() => ops.nms(boxes, scores, { iouThreshold: Number.NaN }), /iouThreshold/);
    refused(() => ops.nms(boxes, scores, { kind: 'fast' as never }), /kind/);
    refused(() => ops.nms(boxes, scores, { limit: -1 }), /limit/);
    refused(
      () => ops.nms(boxes, scores, { kind: 'soft-linear', voting: 'paa' }),
      /voting 'none' with kind 'soft-linear' for nms but received 'paa'/,
    );
  });
});

describe('ops.boxIou', () => {
  test('known values of every kind', () => {
    const a = Float32Array.of(0, 0, 10, 10, 2, 3, 6, 9);
    const b = Float32Array.of(5, 5, 15, 15);
    const first = (kind: Parameters<typeof ops.boxIou>[2]) => ops.boxIou(a, b, kind)[0] ?? Number.NaN;
    assert.equal(ops.boxIou(a, b).length, 2);
    assert.ok(Math.abs(first('iou') - 0.142857) < 1e-6);
    assert.ok(Math.abs(first('giou') + 0.079365) < 1e-6);
    assert.ok(Math.abs(first('diou') - 0.031746) < 1e-6);
    assert.ok(Math.abs(first('iof') - 0.25) < 1e-6);
    assert.equal(ops.boxIou(new Float32Array(0), b).length, 0);
  });

  test('what does not fit is refused', () => {
    const one = new Float32Array(4);
    assert.throws(() => ops.boxIou(new Float32Array(5), one), {
      code: 'HD_USAGE',
      message: /four numbers a box for a/,
    });
    assert.throws(() => ops.boxIou(one, null as never), {
      code: 'HD_USAGE',
      message: /for b but received null/,
    });
    assert.throws(() => ops.boxIou(one, one, 'x' as never), { code: 'HD_USAGE', message: /one of iou, iof/ });
  });
});
