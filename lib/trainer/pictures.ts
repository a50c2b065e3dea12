/** Draws predictions beside the truth for the first pictures of a data set. */
import { mkdirSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { type DrawSet, type NativeDataset, type NativeEvaluator, native } from '../native.ts';

/** Scores below this are not drawn: a detector keeps many weak candidates for the precision curve. */
const visibleScore = 0.3;

export function visible(
  found: { boxes: Float32Array; scores: Float32Array; labels: Int32Array },
  threshold: number,
) {
  const kept = [...found.scores.keys()].filter((i) => (found.scores[i] ?? 0) >= threshold);
  return {
    boxes: Float32Array.from(kept.flatMap((i) => [...found.boxes.subarray(4 * i, 4 * i + 4)])),
    scores: Float32Array.from(kept, (i) => found.scores[i] ?? 0),
    labels: Int32Array.from(kept, (i) => found.labels[i] ?? 0),
  };
}

/** @returns the paths of the pictures written, `count` at most, spread over the set. */
export async function drawPictures(
  dataset: NativeDataset,
  evaluator: NativeEvaluator,
  folder: string,
  count: number,
  threshold = visibleScore,
): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const total = Math.min(count, dataset.length);
  const written: string[] = [];
  for (let i = 0; i < total; ++i) {
    const image = Math.floor((i * dataset.length) / total);
    const { file, boxes, labels } = dataset.image(image);
    const truth: DrawSet = { boxes, labels, colour: '', title: 'truth' };
    const predicted: DrawSet = {
      ...visible(evaluator.detections(image), threshold),
      colour: '',
      title: 'predicted',
    };
    const stem = file ? basename(file, extname(file)) : `picture-${image}`;
    const out = join(folder, `${String(i).padStart(3, '0')}-${stem}.jpg`);
    await native().draw({ dataset, image, out, sets: [truth, predicted] });
    written.push(out);
  }
  return written;
}
