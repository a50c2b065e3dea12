/** Checked by the compiler (npm run test types): the public API is a contract. */
import { expectTypeOf } from 'expect-type';
import {
  Detector,
  type HdError,
  type Hook,
  type IndexedSource,
  loadRecipe,
  type TrainEvent,
  Trainer,
  type TrainResult,
} from '../../lib/index.ts';

const trainer = new Trainer(loadRecipe('r.yaml'), { run: 'x', resume: 'auto' });
expectTypeOf(trainer.run()).toExtend<PromiseLike<TrainResult>>();
expectTypeOf(trainer.run()).toExtend<AsyncIterable<TrainEvent>>();
expectTypeOf<TrainResult['status']>().toEqualTypeOf<'done' | 'interrupted'>();
expectTypeOf<Hook['name']>().toBeString();
expectTypeOf<HdError['code']>().toBeString();
expectTypeOf<IndexedSource['get']>().returns.toExtend<unknown>();
expectTypeOf(Detector.load).returns.resolves.toEqualTypeOf<Detector>();
// @ts-expect-error a source without classes is no source
const broken: IndexedSource = {
  length: 1,
  get: () => ({ image: new Uint8Array(3), width: 1, height: 1, boxes: [], labels: [] }),
};
void broken;
// @ts-expect-error unknown format
new Trainer({ data: { format: 'tfrecord', train: {} } });
