import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { dump, load } from 'js-yaml';
import { Detector } from '../../../lib/detector.ts';
import { native } from '../../../lib/native.ts';
import { run, temporaryFolder, writeRecipe } from '../../faults/command.ts';
import { recipeOf, writeStudent } from '../trainer/fixtures.ts';
import { writePng, writeSafetensors } from './files.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

const trained = join(folder, 'trained');
const student = join(trained, 'student.safetensors');
const out = (name: string) => join(folder, name);
const publish = (from: string, ...more: string[]) => run(['publish', from, '--json', ...more]);

function published(
  from: string,
  to: string,
  ...more: string[]
): { path: string; sha256: string; step: number | null; metadata: Metadata } {
  const end = publish(from, '--out', to, ...more);
  assert.equal(end.status, 0, end.stderr);
  return JSON.parse(end.stdout);
}
type Metadata = Record<string, string>;

let first: ReturnType<typeof published>;

const config = writeRecipe(folder);
const set = ['--set', 'eval.scoreThreshold=0', '--set', 'train.precision=fp32'];

before(() => {
  const end = run([
    '--config',
    config,
    '--run',
    trained,
    '--set',
    'checkpoint.keep=9',
    '--set',
    'checkpoint.seconds=0.001',
    ...set,
  ]);
  assert.equal(end.status, 0, end.stderr);
  first = published(trained, out('first'));
});

describe('a run', () => {
  test('becomes one file named by its hash, which loads and detects as the student does', async () => {
    const { path, sha256 } = first;
    assert.equal(createHash('sha256').update(readFileSync(path)).digest('hex'), sha256);
    assert.equal(basename(path), `trained-${sha256.slice(0, 8)}.safetensors`);
    assert.deepEqual(readdirSync(out('first')), [basename(path)]);
    const picture = out('p.png');
    writePng(picture, 64, 64, 1);
    const found = [];
    for (const weights of [student, path]) {
      const detector = await Detector.load(weights);
      detector.recipe.eval.scoreThreshold = 0;
      found.push((await detector.detectFiles([picture])).detections);
      detector.close();
    }
    assert.ok((found[0]?.[0]?.length ?? 0) > 0);
    assert.deepEqual(found[1], found[0]);
  });

  test('holds every tensor of the student but counters', async () => {
    const { path } = first;
    const names = async (file: string) => (await native().weightsInfo(file)).tensors.map(({ name }) => name);
    const all = await names(student);
    assert.deepEqual(
      await names(path),
      all.filter((name) => !name.endsWith('num_batches_tracked')),
    );
    assert.ok((await names(path)).length < all.length);
  });

  test('tells the model, its classes, the recipe and what was measured; no place and no time', () => {
    const { metadata } = first;
    assert.deepEqual(JSON.parse(metadata.model as string).classes, ['circle', 'square', 'triangle', 'star']);
    assert.match(metadata.recipe as string, /^[0-9a-f]{16}$/);
    const lines = readFileSync(join(trained, 'metrics.jsonl'), 'utf8').trim().split('\n');
    const last = lines.map((line) => JSON.parse(line)).findLast(({ type }) => type === 'eval');
    assert.equal(JSON.parse(metadata.metrics as string).ap, last.eval.ap);
    assert.ok(!JSON.stringify(metadata).includes(folder));
  });

  test('gives the same bytes again, elsewhere and under another name', () => {
    const moved = out('moved');
    cpSync(trained, moved, { recursive: true });
    assert.equal(published(moved, out('second')).sha256, first.sha256);
    const end = run(['publish', trained, '--out', out('named'), '--name', 'shapes.v1']);
    const name = `shapes.v1-${first.sha256.slice(0, 8)}.safetensors`;
    assert.deepEqual(readdirSync(out('named')), [name]);
    assert.ok(end.stdout.includes(`loaded back and found equal\n${join(out('named'), name)}\nnext: `));
  });
});

test('a run that stopped early has the metrics of its weights, the best ones, not those of its last evaluation', () => {
  const early = out('stopped');
  // What is hardly learned does not get better: the first evaluation stays the best.
  const fields = ['model.norm=eval', 'train.lr=1e-12', 'train.earlyStop.patience=1', 'train.epochs=9'];
  const end = run([
    '--config',
    config,
    '--run',
    early,
    ...set,
    ...fields.flatMap((field) => ['--set', field]),
  ]);
  assert.equal(end.status, 0, end.stderr);
  const file = join(early, 'metrics.jsonl');
  const events = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const measured = events.filter(({ type }) => type === 'eval').map(({ step }) => step);
  assert.deepEqual(measured, [3, 6]);
  // The two measured the same: tell them apart.
  for (const event of events) if (event.type === 'eval') event.eval.ap = event.step / 100;
  writeFileSync(file, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  const plain = published(early, out('stopped-out'));
  assert.equal(JSON.parse(plain.metadata.metrics as string).ap, 0.03);
  assert.equal(plain.metadata.step, undefined);
  assert.equal(published(early, out('stopped-out'), '--best').sha256, plain.sha256);
});

describe('a checkpoint', () => {
  const checkpoints = join(trained, 'checkpoints');
  const at = (step: string) => join(checkpoints, step);

  test('gives the EMA weights of its step: the last one those of the student', () => {
    const last = readFileSync(join(checkpoints, 'latest'), 'utf8').trim();
    assert.equal(published(at(last), out('last')).sha256, first.sha256);
  });

  test('leaves out what transfers learned beside the network, and knows spare classes', async () => {
    const teacher = out('teacher.safetensors');
    await writeStudent(teacher, recipeOf({ model: { neckChannels: 64, classes: 6 } }));
    const into = out('taught');
    const fields = [
      `teachers=[{ weights: ${teacher}, classes: 6 }]`,
      'distill=[{ transfer: imitation, kind: fitnets }]',
      'model.classes=6',
      'train.epochs=null',
      'train.steps=1',
    ];
    const end = run(['--config', config, '--run', into, ...fields.flatMap((field) => ['--set', field])]);
    assert.equal(end.status, 0, end.stderr);
    const [of, from] = [join(into, 'student.safetensors'), join(into, 'checkpoints', 'step-0000000001')];
    const names = (await native().weightsInfo(join(from, 'weights.safetensors'))).tensors.map(
      ({ name }) => name,
    );
    assert.ok(names.some((name) => name.startsWith('ema/distill.')));
    const whole = published(of, out('taught-out'));
    assert.equal(published(from, out('taught-out')).sha256, whole.sha256);
    assert.deepEqual(JSON.parse(whole.metadata.model as string).classes.slice(4), ['unused 4', 'unused 5']);
  });

  test('has the metrics of its own step, or none', () => {
    assert.ok(first.metadata.metrics);
    assert.equal(published(at('step-0000000008'), out('steps')).metadata.metrics, undefined);
  });

  test('without its run is refused with the reason', () => {
    const lone = out('lone');
    mkdirSync(lone);
    cpSync(at(readFileSync(join(checkpoints, 'latest'), 'utf8').trim()), join(lone, 'step'), {
      recursive: true,
    });
    const end = publish(join(lone, 'step'));
    assert.equal(end.status, 2);
    assert.match(end.stderr, /recipe\.yaml/);
  });
});

describe('the best of a run', () => {
  const pointer = (of: string) => join(of, 'checkpoints', 'best');

  test('is the checkpoint that `best` names, not the last weights, with what was measured of it', () => {
    const early = out('early');
    cpSync(trained, early, { recursive: true });
    writeFileSync(pointer(early), 'step-0000000003\n');
    const best = published(early, out('best'), '--best');
    assert.equal(best.step, 3);
    assert.equal(first.step, null);
    assert.notEqual(best.sha256, first.sha256);
    assert.equal(best.sha256, published(join(early, 'checkpoints', 'step-0000000003'), out('best')).sha256);
    const lines = readFileSync(join(early, 'metrics.jsonl'), 'utf8').trim().split('\n');
    const told = lines
      .map((line) => JSON.parse(line))
      .find(({ type, step }) => type === 'eval' && step === 3);
    const metrics = JSON.parse(best.metadata.metrics as string);
    assert.equal(metrics.ap, told.eval.ap);
    // Measured again: the EMA weights, as training measured them.
    const end = run(['eval', '--config', config, ...set, '--weights', best.path, '--json']);
    assert.equal(end.status, 0, end.stderr);
    const again = JSON.parse(end.stdout).eval;
    for (const name of ['ap', 'ap50', 'ar100', 'detections'])
      assert.equal(again[name], told.eval[name], name);
    assert.ok(told.eval.detections > 0);
  });

  test('needs no data when the run has finished, and works before', () => {
    const bare = out('bare');
    cpSync(trained, bare, { recursive: true });
    const recipe = join(bare, 'recipe.yaml');
    const text = readFileSync(recipe, 'utf8');
    const fields = load(text) as { data: Record<string, unknown> };
    Object.assign(fields.data, { format: 'source', train: {}, val: {} });
    writeFileSync(recipe, dump(fields));
    const name = readFileSync(pointer(bare), 'utf8').trim();
    const { metadata } = published(bare, out('bare-out'), '--best');
    assert.deepEqual(JSON.parse(metadata.model as string).classes, ['circle', 'square', 'triangle', 'star']);
    writeFileSync(recipe, text);
    rmSync(join(bare, 'student.safetensors'));
    assert.equal(
      published(bare, out('bare-out'), '--best').sha256,
      published(join(trained, 'checkpoints', name), out('bare-out')).sha256,
    );
  });

  test('that has none, or is no run, is refused with the reason', () => {
    const none = out('none');
    cpSync(trained, none, { recursive: true });
    rmSync(pointer(none));
    const end = publish(none, '--best');
    assert.equal(end.status, 2);
    assert.equal(JSON.parse(end.stderr).code, 'HD_RUN_NO_BEST');
    assert.match(end.stderr, /checkpoint\.best is true/);
    assert.equal(JSON.parse(publish(student, '--best').stderr).code, 'HD_USAGE');
    assert.equal(JSON.parse(publish(out('nowhere'), '--best').stderr).code, 'HD_WEIGHTS_MISSING');
    writeFileSync(pointer(none), 'step-0000000099\n');
    assert.equal(JSON.parse(publish(none, '--best').stderr).code, 'HD_CKPT_CORRUPT');
  });
});

describe('a weight file', () => {
  test('that was published can be published again: nothing changes', () => {
    assert.deepEqual(published(first.path, out('first')), first);
  });

  test('that does not describe itself, or is damaged, is refused and leaves nothing behind', () => {
    const foreign = out('foreign.safetensors');
    writeSafetensors(foreign, { 'a.weight': { shape: [1], values: [1] } });
    const cut = out('cut.safetensors');
    writeFileSync(cut, readFileSync(student).subarray(0, 100_000));
    const poor = out('poor.safetensors');
    const { model, size, eval: measuring } = first.metadata;
    writeSafetensors(poor, { 'a.weight': { shape: [1], values: [1] } }, {
      format: 'hdtrain-student-1',
      model,
      size,
      eval: measuring,
    } as Metadata);
    for (const [path, code] of [
      [foreign, 'HD_WEIGHTS_UNDESCRIBED'],
      [cut, 'HD_CKPT_CORRUPT'],
      [poor, 'HD_WEIGHTS_MISMATCH'],
      [out('nowhere'), 'HD_WEIGHTS_MISSING'],
    ] as const) {
      const end = publish(path, '--out', out('refused'));
      assert.notEqual(end.status, 0);
      assert.equal(JSON.parse(end.stderr).code, code);
      assert.ok(!existsSync(out('refused')) || readdirSync(out('refused')).length === 0);
    }
  });

  test('and a folder that is none of these', () => {
    mkdirSync(out('empty'));
    assert.match(publish(out('empty')).stderr, /HD_USAGE.*is none of them/);
    mkdirSync(join(out('empty'), 'checkpoints'));
    writeFileSync(join(out('empty'), 'checkpoints', 'latest'), 'step-1\n');
    assert.match(publish(out('empty')).stderr, /has not finished/);
    assert.match(publish(trained, '--name', '../x').stderr, /HD_USAGE/);
  });
});
