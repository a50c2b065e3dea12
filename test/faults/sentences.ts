/**
 * What errors say, with … where names and numbers stand. The fault tests hold the product to these sentences (`tells`), and
 * docs/reference/errors.md shows them: a sentence that changes is changed here, and its users read the new one.
 */
import assert from 'node:assert/strict';
import { HdError } from '../../lib/error.ts';

export const sentences: Record<string, string[]> = {
  HD_CKPT_CORRUPT: [
    'expected … for … of … but received …: the file is damaged or incomplete; copy or download it again',
    'expected … for … of … but received …, or name another checkpoint with --resume DIR',
    'expected a readable checkpoint state but … is none (…): name another checkpoint with --resume DIR',
  ],
  HD_DATA_CLASSES: [
    'expected a category of … for data.classes but received …',
    'expected at least one class but received none: list the classes of the data set',
  ],
  HD_DATA_EMPTY: [
    "expected at least one image to train on but received … images, none of them usable; run 'hdtrain check' to see why",
    "expected samples, each a picture and a .json file of the same key, for … but received none…: list a shard with 'tar tf'",
  ],
  HD_DATA_FAULT: ['an error was asked for at … of … (debug.fault): take it out of the recipe'],
  HD_DATA_FETCH: ['expected to fetch … but received …: …'],
  HD_DATA_FORMAT: [
    'expected … for … but received … (…): …',
    'expected valid … for … but received … broken place… (…): correct or remove them',
  ],
  HD_DATA_IMAGE: [
    'expected a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP picture for … but received …; replace the file or take it out of the data set',
  ],
  HD_DATA_JSON: [
    'expected valid JSON for … but received an error at byte … of … (…): export or download the file again',
  ],
  HD_DATA_MEMORY: [
    'expected memory to decode … but the system has no more; lower data.workers, data.slots or data.cacheLimit, or take the picture out of the data set',
  ],
  HD_DATA_SHARD: [
    'expected a readable tar file at … but received …: …',
    'expected a tar file for … but received something that does not begin like one: unpack it if it is compressed (gunzip), or take it out of the list',
  ],
  HD_DATA_TOO_LARGE: ['expected at most … bytes for … but received …: split it into several files'],
  HD_DATA_TOO_MANY_BAD: [
    "expected at most … unusable pictures of … but received …, the last one: …; run 'hdtrain check' for all of them, repair the data or raise data.maxBad",
  ],
  HD_DISK_FULL: [
    'expected … but received …: free some space there or choose another folder',
    'expected space on the disk but there is none at … (debug.fault): free some; the run goes on',
  ],
  HD_DIVERGED: [
    'the gradient of … is not finite at step …: lower train.lr, lengthen train.warmup or set train.clip; the weights were not changed; look at the batch with: npx hdtrain probe --dump …',
    'the loss term … is … at step …: lower train.lr, lengthen train.warmup or set train.clip; the weights were not changed; look at the batch with: npx hdtrain probe --dump …',
    '… steps in a row were not finite; the last: …; look at the batch with: npx hdtrain probe --dump …',
  ],
  HD_FAULT: ['an error was asked for at … after … steps (debug.fault): take it out of the recipe'],
  HD_MEMORY: [
    'expected memory for one picture of … but the system has no more (…); lower data.size, choose a smaller model, or free memory',
  ],
  HD_PTH_CORRUPT: [
    'expected a whole pickle in … but received its end inside …: the file is damaged or incomplete; copy or download it again',
    'expected … at byte … of … but received something else: the file is damaged or incomplete; copy or download it again',
  ],
  HD_PTH_UNSAFE: [
    'expected plain data for … of … (byte …) but received a call of …, which hdtrain never executes: load the file where it was made and save its state_dict() alone',
  ],
  HD_PTH_UNSUPPORTED: [
    'expected pickle protocol 2 to 5 as torch.save writes it at byte … of … but received opcode …: save the state_dict alone with a current torch',
  ],
  HD_RECIPE_DUPLICATE_KEY: [
    'expected each key once for … but received it twice (…); remove it here or in line …',
  ],
  HD_RECIPE_LIMIT: ['expected at most … for … but received … (…)…'],
  HD_RECIPE_OVERRIDE: [
    'expected path=value for … but received … (…); write it as …',
    'expected an index from … to … for … but received … (…); to add items, set the whole list …',
    'expected overrides of separate paths for … but received one inside that of … (…); put both into one',
  ],
  HD_RECIPE_SYNTAX: ['expected valid YAML for … but received something else in column … (…); …'],
  HD_RECIPE_UNKNOWN_KEY: ['expected … for … but received …'],
  HD_RECIPE_VALUE: [
    'expected a loss term (…) for train.lossWeights but received …: …',
    "expected names of parameters (…; 'hdtrain inspect --parameters' lists all) for … but received …, which matches none: …",
  ],
  HD_RUN_LOCKED: [
    'expected a free run folder for --run but … is in use by process …: wait for it, stop it, or choose another folder',
  ],
  HD_RUN_RECIPE_CHANGED: [
    'expected the recipe that … was made with but received …: put it back, or start a new run from its weights with model.weights',
  ],
  HD_WEIGHTS_FORMAT: ['expected a safetensors file or a .pth of torch.save for … but received …: …'],
  HD_WEIGHTS_MISMATCH: [
    'expected exactly the tensors of this network (of its backbone, for init …) in the weight file but received …',
  ],
  HD_WEIGHTS_NONFINITE: [
    'expected finite numbers for tensor … but received NaN or infinity; the run that made this file diverged: take an earlier checkpoint',
  ],
  HD_WEIGHTS_ZERO: [
    'expected trained weights for tensor … but received only zeros; the file is incomplete: export or download it again',
  ],
};

/** The sentence as a pattern over a whole message. */
export function pattern(sentence: string): RegExp {
  const parts = sentence.split('…').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('[\\s\\S]*')}$`);
}

/** An error of this code whose whole sentence is one that stands above, naming `place` (a file, tensor, picture). */
export function tells(error: unknown, code: string, place?: string): true {
  assert.ok(error instanceof HdError, `expected an HdError but received ${error}`);
  assert.equal(error.code, code, error.message);
  const known = sentences[code] ?? [];
  assert.ok(
    known.some((sentence) => pattern(sentence).test(error.message)),
    `${code} says something new, which sentences.ts must know: ${error.message}`,
  );
  if (place !== undefined)
    assert.ok(`${error.message} ${error.where}`.includes(place), `${place} is not named: ${error.message}`);
  return true;
}

/** The error of a call or promise that must fail. */
export async function errorOf(act: () => unknown): Promise<unknown> {
  try {
    await act();
  } catch (error) {
    return error;
  }
  return assert.fail('expected an error');
}
