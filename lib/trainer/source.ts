/**
 * A program's own pictures as a data set, by index, as a stream (stream.ts), or written by the program where hdtrain wants them
 * ({@link SlotSource}). Pictures of the first two come in three ways, none of which copies pixels:
 *   - over a SharedArrayBuffer: wrapped;
 *   - over an ordinary ArrayBuffer: *moved* to hdtrain (the caller's becomes empty) and handed back through `onReturn`
 *     when the picture is in its batch slot;
 *   - `copy: true` on a sample: copied, for buffers that cannot be moved (pooled, resizable, shared by several pictures).
 * The JavaScript side must stay responsive: native decode threads wait for its answers.
 */
import { HdError } from '../error.ts';
import { type NativeDataset, native, type SourceAnswer, type SourceTruth } from '../native.ts';
import { Stream, type StreamSource } from './stream.ts';

/** The objects of a picture. */
export interface SampleTruth {
  /** x1, y1, x2, y2 in pixels, one a box. */
  boxes: readonly (readonly [number, number, number, number])[] | Float32Array;
  /** 0-based class of each box. */
  labels: readonly number[] | Int32Array;
  /** True for boxes to leave out of training and scoring (crowd, difficult). */
  ignore?: readonly boolean[] | Uint8Array;
}

export interface SourceSample extends SampleTruth {
  /** RGB, 8 bit, width × height × 3 bytes, rows contiguous. */
  image: Uint8Array;
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
  /** True: `image` is copied and stays with the program. Default: its buffer moves to hdtrain and comes back by `onReturn`. */
  copy?: boolean;
}

/** A source of known length: resumes are exact. */
export interface IndexedSource {
  /** How many pictures there are. */
  readonly length: number;
  /** Names of the classes; a label is a position in it. */
  readonly classes: readonly string[];
  /** [width, height] of each picture, when known: lets the loader plan canvases. */
  readonly sizes?: readonly (readonly [number, number])[];
  /** Picture `index`, 0 to length − 1; asked for in the order of training, several at a time. */
  get(index: number): SourceSample | Promise<SourceSample>;
  /** Called when a moved buffer is free again; its memory is the one that was given. */
  onReturn?(index: number, buffer: ArrayBuffer): void;
}

/** Memory to write a picture into: a batch slot, when nothing changes its geometry. RGB, 8 bit. */
export interface SlotView {
  /** Row y begins at y · pitch; the bytes between rows are not looked at. Detached (length 0) after `fill`. */
  pixels: Uint8Array;
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
  /** Bytes from row to row, at least width · 3. */
  pitch: number;
}

/** A source that writes its pictures where hdtrain wants them. Resumes are exact. */
export interface SlotSource {
  /** How many pictures there are. */
  readonly length: number;
  /** Names of the classes; a label is a position in it. */
  readonly classes: readonly string[];
  /** [width, height] of each picture. */
  readonly sizes: readonly (readonly [number, number])[];
  /** Writes picture `index` and tells its objects. Must not touch the memory once it has returned or resolved. */
  fill(index: number, slot: SlotView): SampleTruth | Promise<SampleTruth>;
}

export type Source = IndexedSource | StreamSource | SlotSource;

function invalid(index: number, what: string, received: unknown, cure: string): HdError {
  return new HdError(
    'HD_DATA_SOURCE',
    `expected ${what} for sample ${index} but received ${String(received)}: ${cure}`,
    `sample ${index}`,
  );
}

const copying = 'give each picture a buffer of its own, or say copy: true';

/** Pixels in memory that nobody else can touch, and the buffer to give back. */
function own(index: number, sample: SourceSample): { image: Uint8Array; moved: ArrayBuffer | null } {
  const { image } = sample;
  if (sample.copy) return { image: Uint8Array.from(image), moved: null };
  if (image.buffer instanceof SharedArrayBuffer) {
    if (image.buffer.growable)
      throw invalid(index, 'a fixed-length SharedArrayBuffer', 'a growable one', copying);
    return { image, moved: null };
  }
  const buffer = image.buffer as ArrayBuffer;
  if (buffer.resizable) throw invalid(index, 'a fixed-length ArrayBuffer', 'a resizable one', copying);
  if (buffer.byteLength !== image.byteLength) {
    throw invalid(
      index,
      'an image that is alone in its ArrayBuffer (Buffer.from pools small buffers)',
      `a view of ${image.byteLength} of ${buffer.byteLength} bytes`,
      copying,
    );
  }
  const moved = structuredClone(buffer, { transfer: [buffer] });
  return { image: new Uint8Array(moved), moved };
}

const isList = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

/** x1, y1, x2, y2 of each box, one after another. */
function packed(index: number, boxes: SampleTruth['boxes']): Float32Array {
  if (boxes instanceof Float32Array) return boxes;
  if (!isList(boxes))
    throw invalid(
      index,
      'boxes as a list of [x1, y1, x2, y2]',
      boxes,
      'give an empty list where there is no object',
    );
  return Float32Array.from(Array.from<unknown>(boxes).flat() as number[]);
}

/** Checks boxes and labels, and packs them. */
function truth(classes: readonly string[], index: number, sample: SampleTruth): SourceTruth {
  if (!sample || typeof sample !== 'object') {
    const cure = 'return { boxes, labels }, empty lists for a picture without objects';
    throw invalid(index, 'an object with boxes and labels', sample, cure);
  }
  const boxes = packed(index, sample.boxes);
  if (!isList(sample.labels))
    throw invalid(index, 'labels as a list', sample.labels, 'give the number of the class of each box');
  const given: unknown[] = Array.from(sample.labels);
  const none = given.findIndex((label) => !Number.isInteger(label));
  if (none !== -1) {
    const cure = "a label is a position in the source's classes";
    throw invalid(index, 'integers as labels', `${JSON.stringify(given[none]) ?? 'undefined'}`, cure);
  }
  const labels = Int32Array.from(sample.labels);
  const ignore = Uint8Array.from(sample.ignore ?? new Uint8Array(labels.length), Number);
  if (boxes.length !== 4 * labels.length || ignore.length !== labels.length) {
    throw invalid(
      index,
      'four box numbers and one ignore flag for each label',
      `${boxes.length} numbers and ${ignore.length} flags for ${labels.length} labels`,
      'give each object one entry in each list',
    );
  }
  if (!boxes.every(Number.isFinite))
    throw invalid(index, 'finite box coordinates', 'NaN or infinity', 'leave that object out');
  const bad = labels.find((label) => label < 0 || label >= classes.length);
  if (bad !== undefined) {
    const cure = `name its class in the source's classes, or leave the object out`;
    throw invalid(index, `labels from 0 to ${classes.length - 1}`, bad, cure);
  }
  return { boxes, labels, ignore };
}

function answer(source: IndexedSource | StreamSource, index: number, sample: SourceSample): SourceAnswer {
  if (!(sample?.image instanceof Uint8Array)) {
    const cure = 'hand over RGB bytes, width × height × 3 of them';
    throw invalid(index, 'image as a Uint8Array', typeof sample?.image, cure);
  }
  const { width, height } = sample;
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    const cure = 'tell the size of the picture in pixels';
    throw invalid(index, 'positive integers as width and height', `${width} × ${height}`, cure);
  }
  if (sample.image.byteLength !== width * height * 3) {
    throw invalid(
      index,
      `width × height × 3 = ${width * height * 3} bytes of RGB`,
      `${sample.image.byteLength} bytes`,
      sample.image.byteLength === 0
        ? 'hand over a buffer of its own each time, this one is empty or was moved before'
        : 'give three bytes a pixel, and rows that follow one another without padding',
    );
  }
  const objects = truth(source.classes, index, sample);
  const { image, moved } = own(index, sample);
  return { image, width, height, ...objects, done: () => moved && source.onReturn?.(index, moved) };
}

/**
 * Opens a source as a native data set. Failures of `get` follow `data.onBadSample`, like unreadable files. `stream` is set for
 * sources without `get`; a training loader then wants `ordered`, and `begin()` before its own.
 */
export function openSource(
  source: Source,
  { batch = 1, training = true } = {},
): { dataset: NativeDataset; stream: Stream | null } {
  if (!Number.isInteger(source.length) || source.length < 0) {
    throw new HdError(
      'HD_DATA_SOURCE',
      `expected a non-negative integer for the length of the source but received ${source.length}`,
    );
  }
  const classes = [...source.classes];
  const sizes = 'sizes' in source ? source.sizes?.map(([w, h]): [number, number] => [w, h]) : undefined;
  if ('fill' in source) {
    const options = { length: source.length, classes, sizes: sizes ?? [], fill: true as const };
    const fill = async (index: number, memory: ArrayBuffer, pitch: number) => {
      const [width = 0, height = 0] = sizes?.[index] ?? [];
      const slot = { pixels: new Uint8Array(memory), width, height, pitch };
      return truth(classes, index, await source.fill(index, slot));
    };
    return { dataset: native().openSource(options, fill), stream: null };
  }
  if ('get' in source) {
    const options = sizes ? { length: source.length, classes, sizes } : { length: source.length, classes };
    const get = async (index: number) => answer(source, index, await source.get(index));
    return { dataset: native().openSource(options, get), stream: null };
  }
  const stream = new Stream(source, { batch: training ? batch : 1, anewEachPass: !training });
  const get = async (index: number) => answer(source, index, await stream.get(index));
  return { dataset: native().openSource({ length: stream.length, classes }, get), stream };
}
