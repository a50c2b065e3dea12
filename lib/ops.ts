/** Box operators on typed arrays. Arguments are read where they lie; results are fresh arrays. */
import { z } from 'zod';
import { HdError } from './error.ts';
import { native } from './native.ts';
import { evalSchema, votesUnheard } from './recipe/schema/eval.ts';

const suppression = evalSchema.unwrap().shape.suppression.unwrap();

const nmsOptions = suppression.extend({
  iouThreshold: z.number().min(0).max(1).default(0.6),
  limit: z.int().min(0).nullable().default(null),
});

/** As `eval.suppression` of a recipe, with the threshold and the largest number of results (null: all). */
export type NmsOptions = z.input<typeof nmsOptions> & {
  /** Class of each box: boxes of different classes do not meet. Without, all are of one class. */
  labels?: Int32Array;
};

export interface NmsResult {
  /** Indices of the kept boxes, by falling score; ties by lower label, then lower index. */
  keep: Int32Array;
  /** x1, y1, x2, y2 of each, moved by voting. */
  boxes: Float32Array;
  /** Of each, weakened by the soft kinds. */
  scores: Float32Array;
}

/**
 * Non-maximum suppression: greedy, cluster or cluster-diou, with or without voting; or soft, without.
 *
 * @param boxes n × (x1, y1, x2, y2), any unit
 * @param scores n
 * @throws HdError HD_USAGE naming the argument
 */
export function nms(boxes: Float32Array, scores: Float32Array, options: NmsOptions = {}): NmsResult {
  const { labels = new Int32Array(scores.length), ...rest } = options;
  const parsed = nmsOptions.safeParse(rest);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw usage(`valid options for nms`, `${issue?.path.join('.') || 'options'}: ${issue?.message}`);
  }
  const { kind, voting } = parsed.data;
  if (votesUnheard(parsed.data)) throw usage(`voting 'none' with kind '${kind}' for nms`, `'${voting}'`);
  requireArray('boxes', boxes, Float32Array, 4 * scores.length);
  requireArray('scores', scores, Float32Array, scores.length);
  requireArray('labels', labels, Int32Array, scores.length);
  const { limit, ...chosen } = parsed.data;
  return native().suppress(boxes, scores, labels, { ...chosen, limit: limit ?? -1 });
}

/** How two boxes are compared. `iof`: intersection over the area of the first. */
export type BoxSimilarity = 'iou' | 'iof' | 'giou' | 'diou' | 'ciou';
const similarities: readonly BoxSimilarity[] = ['iou', 'iof', 'giou', 'diou', 'ciou'];

/**
 * Similarity of every box of `a` with every box of `b`.
 *
 * @param a n × (x1, y1, x2, y2) @param b m × (x1, y1, x2, y2)
 * @returns n × m, row by row
 * @throws HdError HD_USAGE naming the argument
 */
export function boxIou(a: Float32Array, b: Float32Array, kind: BoxSimilarity = 'iou'): Float32Array {
  if (!similarities.includes(kind)) throw usage(`one of ${similarities.join(', ')} for kind`, String(kind));
  for (const [name, boxes] of Object.entries({ a, b })) {
    requireArray(name, boxes, Float32Array, boxes?.length);
    if (boxes.length % 4 !== 0) throw usage(`four numbers a box for ${name}`, `${boxes.length} numbers`);
  }
  return native().boxIou(kind, a, b);
}

function requireArray(
  name: string,
  value: unknown,
  type: Float32ArrayConstructor | Int32ArrayConstructor,
  length: number,
): void {
  if (!(value instanceof type)) throw usage(`a ${type.name} for ${name}`, typeName(value));
  if (value.length !== length) throw usage(`${length} numbers for ${name}`, String(value.length));
}

function typeName(value: unknown): string {
  return value === null || value === undefined ? String(value) : (value.constructor?.name ?? typeof value);
}

function usage(expected: string, received: string): HdError {
  return new HdError('HD_USAGE', `expected ${expected} but received ${received}`);
}
