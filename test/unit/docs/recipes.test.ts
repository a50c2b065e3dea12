/**
 * The recipes of README and the guides train for a few steps, on data in the form that each describes. That they
 * resolve without any override is tried by fences.test.ts.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { after, describe, test } from 'node:test';
import { load } from 'js-yaml';
import { temporaryFolder } from '../../faults/command.ts';
import { train } from '../../faults/train.ts';
import { writeLvis, writeShards, writeVoc } from './data-sets.ts';
import { documents, examplesOf } from './markdown.ts';
import { layOut, tiny } from './reader.ts';

/** By a part of them. */
const notTrained: readonly { part: string; why: string }[] = [
  { part: 'gfl_r101.pth', why: 'weights that others published' },
  { part: 'resnet50_caffe.pth', why: 'weights that others published' },
  { part: 'https://', why: 'a server of the reader; shards.test.ts trains from one' },
];

/** Overrides of single recipes, by a part of them. */
const special: readonly { part: string; set: string[] }[] = [
  // Two steps teach nobody.
  { part: 'minAp: 0.3', set: ['teachers.0.verify.minAp=0'] },
  { part: 'schedule: { kind: steps', set: ['train.epochs=2', 'train.schedule.at=[1]'] },
  { part: 'swa:', set: ['train.epochs=4'] },
];

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));
process.env.XDG_CACHE_HOME = join(root, 'cache');

const guides = documents.filter((file) => file === 'README.md' || file.startsWith('docs/guide/'));
const all = guides.flatMap(examplesOf);
const recipes = all.filter(({ kind }) => kind === 'yaml');
const isTrained = (text: string) => !notTrained.some(({ part }) => text.includes(part));
const folder = join(root, 'reader');
const sets = [...tiny, 'log.report=false', 'log.tensorboard=false', 'eval.pictures=0'];

/** What a part of a recipe leaves out comes from the reader's own. */
function whole(text: string): string {
  const fields = load(text) as Record<string, unknown> & { extends?: string; data?: { format?: string } };
  const parts = [text];
  if (fields.extends === undefined && fields.data?.format === undefined) parts.push('extends: data.yaml');
  if (fields.distill && !fields.teachers)
    parts.push('teachers: [{ weights: runs/big-1/student.safetensors }]');
  if (fields.teachers && !fields.distill) parts.push('distill: [{ transfer: localization }]');
  return parts.join('\n');
}

describe('recipes of the documents', { timeout: 600_000 }, () => {
  test('the reader has trained before', async () => {
    mkdirSync(folder);
    layOut(folder, join(root, 'trained'));
    writeVoc(folder);
    writeLvis(folder);
    writeShards(
      folder,
      all.flatMap(({ kind, text }) => (kind === 'json' ? [text] : [])),
    );
    const { error } = await train(join(folder, 'data.yaml'), join(root, 'trained'), { set: sets });
    assert.ifError(error);
  });
  for (const [i, { file, line, text }] of recipes.entries()) {
    if (!isTrained(text)) continue;
    test(`${file}:${line} ${text.split('\n')[0]}`, async () => {
      const path = join(folder, `recipe-${i}.yaml`);
      const into = join(root, `run-${i}`);
      writeFileSync(path, whole(text));
      const own = special.filter(({ part }) => text.includes(part)).flatMap(({ set }) => set);
      const { error, result } = await train(path, into, { set: [...sets, ...own] });
      assert.ifError(error);
      assert.equal(result?.status, 'done');
      assert.ok(existsSync(join(into, 'student.safetensors')));
      rmSync(into, { recursive: true });
    });
  }
  test('each exception is one', () => {
    for (const { part } of [...notTrained, ...special])
      assert.ok(
        recipes.some(({ text }) => text.includes(part)),
        `no recipe has '${part}'`,
      );
  });
});
