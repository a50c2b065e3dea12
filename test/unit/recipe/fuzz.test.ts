/**
 * Damaged recipes: whatever a text holds, loading it throws nothing but a RecipeError, within bounded time.
 * HDTRAIN_FUZZ_INPUTS (1000) says how many, HDTRAIN_FUZZ_SEED which; a failure names the index that repeats it.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadRecipe, RecipeError } from '../../../lib/recipe/index.ts';
import { tinyRecipe } from '../../faults/command.ts';
import { Random } from '../../faults/random.ts';
import { damage } from './damage.ts';
import { shortest, temporaryFolder } from './helpers.ts';

const inputs = Number(process.env.HDTRAIN_FUZZ_INPUTS ?? 1000);
const seed = Number(process.env.HDTRAIN_FUZZ_SEED ?? 1);
const longest = 5; // seconds of computing

const configs = fileURLToPath(new URL('../../../configs', import.meta.url));
const files = readdirSync(configs, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.yaml'),
);
// As they are written, and with everything that `extends` brings.
const corpus = [
  shortest,
  tinyRecipe,
  ...files
    .sort()
    .slice(0, 20)
    .flatMap((name) => texts(join(configs, name))),
];

function texts(path: string): string[] {
  const own = readFileSync(path, 'utf8');
  return path.includes('_base') ? [own] : [own, loadRecipe(path).yaml];
}

/** Keeps the input of a failure and says how to get it again. */
function fail(index: number, text: string, what: string): never {
  const path = join(mkdtempSync(join(tmpdir(), 'hdtrain-fuzz-recipe-')), `${seed}-${index}.yaml`);
  writeFileSync(path, text);
  assert.fail(`recipe ${index} of seed ${seed} ${what}; the input: ${path}`);
}

/** 'read', or the code of the first problem. */
function outcome(index: number, text: string, load: () => void): string {
  const before = process.cpuUsage();
  let what = 'read';
  try {
    load();
  } catch (error) {
    if (!(error instanceof RecipeError)) fail(index, text, `threw ${(error as Error).stack}`);
    const bad = error.problems.find(
      ({ code, message, line }) => !/^HD_RECIPE/.test(code) || !message || line < 0,
    );
    if (error.problems.length === 0 || bad)
      fail(index, text, `has a problem without place: ${error.message}`);
    what = error.problems[0]?.code ?? '';
  }
  const { user, system } = process.cpuUsage(before);
  if ((user + system) / 1e6 > longest) fail(index, text, `took ${(user + system) / 1e6} s`);
  return what;
}

test(`${inputs} damaged recipes load or are refused by a RecipeError`, (context) => {
  // The bases of `extends: ../_base/…` are there.
  const base = temporaryFolder();
  cpSync(join(configs, '_base'), join(base, '_base'), { recursive: true });
  const folder = join(base, 'any');
  mkdirSync(folder);
  const seen = new Map<string, number>();
  for (let index = 0; index < inputs; ++index) {
    const random = new Random(seed * 1_000_003 + index);
    const choose = () => corpus[Math.floor(random.next() * corpus.length)] as string;
    const text = damage(choose(), choose(), random);
    writeFileSync(join(folder, 'a.yaml'), text);
    const what = outcome(index, text, () => loadRecipe('a.yaml', { cwd: folder }));
    seen.set(what, (seen.get(what) ?? 0) + 1);
  }
  const counts = [...seen].sort(([a], [b]) => a.localeCompare(b));
  context.diagnostic(counts.map(([code, count]) => `${code} ${count}`).join(', '));
  // Harsh enough to be refused in many ways, mild enough to be read.
  assert.ok((seen.get('read') ?? 0) * 50 > inputs, `${seen.get('read')} were read`);
  if (inputs >= 1000) assert.ok(seen.size >= 8, `${[...seen.keys()]}`);
});

test('damaged overrides are obeyed or refused by a RecipeError', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'a.yaml'), tinyRecipe);
  const sets = [
    'train.lr=0.02',
    'data.augment.0.crop.probability=0.3',
    'train.ema={decay: 0.9}',
    'model.weights=null',
  ];
  for (let index = 0; index < inputs / 2; ++index) {
    const random = new Random(seed * 1_000_003 - 1 - index);
    const choose = () => sets[Math.floor(random.next() * sets.length)] as string;
    const set = [damage(choose(), choose(), random), damage(choose(), choose(), random)];
    outcome(index, set.join('\n'), () => loadRecipe('a.yaml', { cwd: folder, set }));
  }
});
