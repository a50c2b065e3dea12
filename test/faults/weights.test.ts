/** Weight files and teachers that are damaged, foreign, hostile or worthless (faults 16 to 18). */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { native } from '../../lib/native.ts';
import { recipeOf, writeStudent } from '../unit/trainer/fixtures.ts';
import { temporaryFolder, writeRecipe } from './command.ts';
import { errorOf, tells } from './sentences.ts';
import { train } from './train.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const sound = join(folder, 'sound.safetensors');
const info = (path: string) => errorOf(() => native().weightsInfo(path));

before(() => writeStudent(sound, recipeOf()));

/** A copy of the sound file in which the header (text) or the numbers are changed. */
function damaged(
  name: string,
  change: {
    header?: (text: string) => string;
    data?: (data: Buffer, offset: (tensor: string) => number) => void;
  },
): string {
  const bytes = readFileSync(sound);
  const length = Number(bytes.readBigUInt64LE(0));
  const text = bytes.toString('utf8', 8, 8 + length);
  const entries = JSON.parse(text) as Record<string, { data_offsets: [number, number] }>;
  const header = Buffer.from(change.header?.(text) ?? text);
  const data = Buffer.from(bytes.subarray(8 + length));
  change.data?.(data, (tensor) => entries[tensor]?.data_offsets[0] as number);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(header.length));
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([prefix, header, data]));
  return path;
}

describe('17: safetensors', () => {
  test('cut anywhere: corrupt, with the file', async () => {
    const bytes = readFileSync(sound);
    const path = join(folder, 'cut.safetensors');
    for (let size = 1 << 18; size < bytes.length; size += 1 << 22) {
      writeFileSync(path, bytes.subarray(0, size));
      tells(await info(path), 'HD_CKPT_CORRUPT', 'cut.safetensors');
    }
  });
  test('lengths, shapes and places that lie: corrupt, with the tensor', async () => {
    const first = /"([^"]+)":\{"dtype":"F32","shape":\[(\d+)/;
    const lies: Record<string, (text: string) => string> = {
      shape: (text) =>
        text.replace(first, (_, name, side) => `"${name}":{"dtype":"F32","shape":[${Number(side) + 1}`),
      negative: (text) => text.replace(first, '"$1":{"dtype":"F32","shape":[-$2'),
      dtype: (text) => text.replace('"F32"', '"F64"'),
      offsets: (text) => text.replace(/"data_offsets":\[(\d+),(\d+)\]/, '"data_offsets":[$2,$1]'),
      overlap: (text) => text.replaceAll(/"data_offsets":\[\d+,(\d+)\]/g, '"data_offsets":[0,$1]'),
      syntax: (text) => text.slice(0, -20),
    };
    for (const [name, header] of Object.entries(lies))
      tells(await info(damaged(`${name}.safetensors`, { header })), 'HD_CKPT_CORRUPT', `${name}.safetensors`);
  });
  test('a header of 2⁶³ bytes is refused before memory is taken', async () => {
    const path = join(folder, 'long.safetensors');
    writeFileSync(path, Buffer.concat([Buffer.from('ffffffffffffff7f', 'hex'), Buffer.from('{"a":')]));
    tells(await info(path), 'HD_CKPT_CORRUPT', 'long.safetensors');
  });
  test('another format is named as such', async () => {
    const path = join(folder, 'page.safetensors');
    writeFileSync(path, '<!doctype html><title>404</title>');
    tells(await info(path), 'HD_WEIGHTS_FORMAT', 'page.safetensors');
  });
});

describe('18: .pth', () => {
  /** {'state_dict': os.system('touch …')} as a legacy stream of torch.save. */
  const attack = (target: string) => {
    const text = (value: string) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(Buffer.byteLength(value));
      return Buffer.concat([Buffer.from('X'), length, Buffer.from(value)]);
    };
    const pickle = (...parts: (Buffer | string)[]) =>
      Buffer.concat([
        Buffer.from([0x80, 2]),
        ...parts.map((part) => Buffer.from(part as string)),
        Buffer.from('.'),
      ]);
    return Buffer.concat([
      pickle(Buffer.from('8a0a6cfc9c46f9206aa85019', 'hex')),
      pickle(Buffer.from([0x4d, 0xe9, 0x03])),
      pickle('}', '(', text('little_endian'), Buffer.from([0x88]), 'u'),
      pickle('}', '(', text('state_dict'), 'cos\nsystem\n', '(', text(`touch ${target}`), 't', 'R', 'u'),
      pickle(']'),
    ]);
  };
  test('a call of os.system is refused by its name and never made', async () => {
    const [path, target] = [join(folder, 'attack.pth'), join(folder, 'was-here')];
    writeFileSync(path, attack(target));
    tells(await info(path), 'HD_PTH_UNSAFE', 'os.system');
    assert.ok(!existsSync(target));
  });
  test('a stream that is cut is corrupt; an opcode that torch.save never writes is unsupported; both with the byte', async () => {
    const bytes = attack('x');
    const path = join(folder, 'cut.pth');
    writeFileSync(path, bytes.subarray(0, 60));
    tells(await info(path), 'HD_PTH_CORRUPT', 'cut.pth');
    writeFileSync(path, Buffer.concat([bytes.subarray(0, 20), Buffer.from([0xfe])]));
    tells(await info(path), 'HD_PTH_UNSUPPORTED', 'byte 20');
  });
});

describe('16: a teacher that is none', () => {
  const student = (weights: string) => {
    const text = `
model: { backbone: resnet18, neckChannels: 32, headChannels: 32, headConvs: 1 }
data: { format: synthetic, size: 64, seed: 3, train: { count: 4 } }
train: { steps: 1, batch: 4, threads: 1 }
teachers: [{ weights: ${weights} }]
distill: [{ transfer: localization }]
`;
    return writeRecipe(folder, text, 'student.yaml');
  };
  let runs = 0;
  const failure = async (weights: string) =>
    (await train(student(weights), join(folder, `teacher-${++runs}`))).error;
  const tensor = 'backbone.layer1.0.conv1.weight';

  test('missing, of zeros, of NaN, of another shape: refused before the first step, by tensor or file', async () => {
    const zero = damaged('zero.safetensors', {
      data: (data, offset) => data.fill(0, offset(tensor), offset(tensor) + 64 * 64 * 9 * 4),
    });
    const nan = damaged('nan.safetensors', {
      data: (data, offset) => data.writeFloatLE(Number.NaN, offset(tensor)),
    });
    const other = damaged('other.safetensors', { header: (text) => text.replace(tensor, `${tensor}.old`) });
    const missing = await failure(join(folder, 'none.safetensors'));
    assert.equal(missing?.exitCode, 4);
    assert.match(missing?.message ?? '', /none\.safetensors/);
    tells(await failure(zero), 'HD_WEIGHTS_ZERO', tensor);
    tells(await failure(nan), 'HD_WEIGHTS_NONFINITE', tensor);
    tells(await failure(other), 'HD_WEIGHTS_MISMATCH', 'other.safetensors');
  });
});
