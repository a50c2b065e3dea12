/** Numbers that leave the range of fp32, of themselves and not because a fault was asked for (faults 31 and 32). */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run, temporaryFolder, tinyRecipe, writeRecipe } from './command.ts';
import { tells } from './sentences.ts';
import { metricsOf, train } from './train.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const recipe = writeRecipe(folder);
const two = ['train.steps=2', 'train.epochs=null', 'eval.every=0'];

/** The numbers of a file of weights, by the name of the tensor; they can be written to, and `save` keeps that. */
function numbersOf(path: string): { tensors: Map<string, Float32Array>; save(to: string): void } {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start));
  const data = Uint8Array.from(bytes.subarray(start)).buffer;
  const tensors = new Map<string, Float32Array>();
  for (const [name, { dtype, data_offsets }] of Object.entries<Record<string, never>>(header))
    if (dtype === 'F32')
      tensors.set(
        name,
        new Float32Array(data, data_offsets?.[0], ((data_offsets?.[1] ?? 0) - (data_offsets?.[0] ?? 0)) / 4),
      );
  return {
    tensors,
    save: (to) => writeFileSync(to, Buffer.concat([bytes.subarray(0, start), new Uint8Array(data)])),
  };
}

function assertFinite(path: string): void {
  for (const [name, numbers] of numbersOf(path).tensors)
    assert.ok(numbers.every(Number.isFinite), `${name} of ${path} is not finite`);
}

describe('31: without a fault that was asked for', () => {
  test('31: a gradient overflows where the loss does not: told by tensor, kept out of the weights, replayed by probe', () => {
    const into = join(folder, 'gradient');
    const set = ['--set', 'train.lossWeights={dfl: 1.0e+39}'];
    const end = run(['--json', '--config', recipe, '--run', into, ...set]);
    assert.equal(end.status, 5, end.stderr);
    const { code, message } = JSON.parse(end.stderr.trim().split('\n').at(-1) ?? '');
    assert.equal(code, 'HD_DIVERGED');
    assert.match(
      message,
      /^the gradient of '[\w.]+' is not finite at step 0: .*the weights were not changed/,
    );
    assertFinite(join(into, 'diverged/weights.safetensors'));
    const probe = run(['probe', '--dump', join(into, 'diverged')]);
    assert.equal(probe.status, 0, probe.stderr);
    assert.match(probe.stdout, /not finite/);
  });
  test('31: and is left out with skip: all that is saved is finite, and train.maxDiverged ends the run', async () => {
    const into = join(folder, 'skipped');
    const { error } = await train(recipe, into, {
      set: ['train.lossWeights={dfl: 1.0e+39}', 'train.onDiverged=skip', 'train.maxDiverged=3'],
    });
    assert.match(error?.message ?? '', /^3 steps in a row were not finite; the last: the gradient of /);
    tells(error, 'HD_DIVERGED', 'images ');
    assert.equal(metricsOf(into).filter(({ type }) => type === 'diverged').length, 2);
  });
  test('31: weights that grow until the next loss is none: told by term; the checkpoint before is finite', async () => {
    const into = join(folder, 'weights');
    const set = ['train.lossWeights={dfl: 3.3e+38}', 'train.clip=0', 'checkpoint.seconds=0.001'];
    const { error } = await train(recipe, into, { set });
    tells(error, 'HD_DIVERGED', 'images ');
    assert.match(error?.message ?? '', /^the loss term '\w+' is -?(nan|inf) at step 1: /);
    const latest = readFileSync(join(into, 'checkpoints/latest'), 'utf8').trim();
    assertFinite(join(into, 'checkpoints', latest, 'weights.safetensors'));
  });
  test('31: NaN in the weights that a run starts from: refused before the first step, by tensor', async () => {
    const sound = await train(recipe, join(folder, 'sound'), { set: two });
    const { tensors, save } = numbersOf(sound.result?.weights ?? '');
    const name = 'backbone.layer1.0.conv1.weight';
    (tensors.get(name) as Float32Array)[3] = Number.NaN;
    save(join(folder, 'nan.safetensors'));
    const { error } = await train(recipe, join(folder, 'nan'), {
      set: [...two, `model.weights=${join(folder, 'nan.safetensors')}`],
    });
    tells(error, 'HD_WEIGHTS_NONFINITE', name);
    assert.equal(error?.exitCode, 4);
  });
});

describe('32: large values', () => {
  for (const precision of ['fp32', 'bf16'])
    test(`32: a loss near the end of fp32 trains on finite numbers (${precision})`, async () => {
      const into = join(folder, `large-${precision}`);
      const { error, result, events } = await train(recipe, into, {
        set: [...two, 'train.lossWeights={dfl: 1.0e+38}', `train.precision=${precision}`],
      });
      assert.equal(error, undefined);
      const totals = events.flatMap((event) => (event.type === 'step' ? [event.losses.total ?? 0] : []));
      assert.ok(totals.length === 2 && totals.every((total) => total > 1e37 && total < 3.4e38), `${totals}`);
      assertFinite(result?.weights ?? '');
    });

  /** A student beside a teacher whose pyramid is `factor` times as large. */
  async function imitate(factor: number, precision: string) {
    const { tensors, save } = numbersOf(join(folder, 'teacher.safetensors'));
    for (const [name, numbers] of tensors)
      if (/^neck\..*(weight|bias)$/.test(name))
        for (const i of numbers.keys()) numbers[i] = (numbers[i] ?? 0) * factor;
    save(join(folder, 'loud.safetensors'));
    const text = `${tinyRecipe}
teachers: [{ weights: loud.safetensors, precision: ${precision} }]
distill: [{ transfer: imitation, kind: fitnets }]
`;
    const into = join(folder, `loud-${factor}-${precision}`);
    return train(writeRecipe(folder, text, 'loud.yaml'), into, {
      set: [...two, `train.precision=${precision}`],
    });
  }
  before(async () => {
    const { result } = await train(recipe, join(folder, 'teacher'), { set: two });
    copyFileSync(result?.weights ?? '', join(folder, 'teacher.safetensors'));
  });
  for (const precision of ['fp32', 'bf16'])
    test(`32: features whose squares are beyond fp16 a million times over are imitated (${precision})`, async () => {
      const { error, result, events } = await imitate(1e4, precision);
      assert.equal(error, undefined);
      const terms = events.flatMap((event) => (event.type === 'step' ? [event.losses.imitation ?? 0] : []));
      assert.ok(
        terms.every((term) => Number.isFinite(term) && term > 1e6),
        `${terms}`,
      );
      assertFinite(result?.weights ?? '');
    });
  test('32: features whose squares no fp32 holds are told by the term, and change nothing', async () => {
    const { error } = await imitate(1e18, 'fp32');
    tells(error, 'HD_DIVERGED', "'imitation");
  });
});
