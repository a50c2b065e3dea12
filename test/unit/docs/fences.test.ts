/**
 * Whatever a document shows is tried: recipes resolve, programs run, commands have verbs and options that exist. What
 * cannot be tried stands in a list below with the reason, and must not stand there when it can.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { load } from 'js-yaml';
import type { Argv } from 'yargs';
import { commandLine } from '../../../lib/cli/parser.ts';
import { loadRecipe } from '../../../lib/recipe/index.ts';
import { temporaryFolder } from '../../faults/command.ts';
import { writePng } from '../cli/files.ts';
import { checkCommand, verbsByName } from './commands.ts';
import { documents, type Example, examplesOf, root, textOf } from './markdown.ts';

interface Exception {
  file: string;
  /** Stands in the example. */
  text: string;
  why: string;
}

const notTried: readonly Exception[] = [
  { file: 'docs/guide/diagnosis.md', text: 'AP50 lost', why: 'what eval prints' },
  { file: 'docs/guide/diagnosis.md', text: 'at a score of', why: 'what eval prints' },
  { file: 'docs/guide/distill.md', text: 'step 120/800', why: 'what train prints' },
  { file: 'docs/guide/own-data.md', text: 'tar --sort=name', why: 'GNU tar: shell.test.ts runs it' },
  { file: 'docs/guide/see.md', text: 'tensorboard', why: 'a program of others' },
  { file: 'docs/internals/house.md', text: 'native/.build', why: 'builds all native code, and runs it' },
  { file: 'docs/internals/step.md', text: 'loader.next()', why: 'a drawing of what follows what' },
];

/** Parts of programs, which are not run: their types are checked with `before` and `behind` around them. */
const fragments: readonly (Exception & { before: string; behind: string })[] = [
  {
    file: 'docs/guide/iterator.md',
    text: 'const film',
    why: 'frame() is where the reader makes a picture',
    before: `import type { SourceSample, StreamSource } from 'hdtrain';
declare function frame(epoch: number, index: number): Promise<SourceSample>;`,
    behind: 'film satisfies StreamSource;',
  },
];

/** Recipes that a reader has written, or a run has left. */
const readersRecipes = ['data.yaml', 'runs/cells-1/recipe.yaml'];

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const write = (name: string, text: string) => {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
};
const base = `
model: { neckChannels: 32, headChannels: 32, headConvs: 1 }
data: { format: synthetic, size: 64, train: { count: 8 }, val: { count: 2 } }
train: { epochs: 1, batch: 4, threads: 1 }
`;
for (const name of readersRecipes) write(name, base);
mkdirSync(join(folder, 'node_modules'));
symlinkSync(root, join(folder, 'node_modules/hdtrain'));
writePng(join(folder, 'photo.jpg'), 64, 48);

const tsc = join(root, 'node_modules/typescript/lib/tsc.js');
/** As strict as programs of users commonly are. */
const compilerOptions = {
  noEmit: true,
  strict: true,
  noImplicitAny: false,
  skipLibCheck: true,
  module: 'nodenext',
  target: 'es2023',
  types: ['node'],
  typeRoots: [join(root, 'node_modules/@types')],
};

const usedRecipes = new Set<string>();
const recipes = { folder, names: readersRecipes, used: (name: string) => usedRecipes.add(name) };
const examples = documents.flatMap(examplesOf);
const titleOf = ({ file, line, text }: Example) => `${file}:${line} ${text.split('\n')[0]}`;
const concerns =
  ({ file, text }: Exception) =>
  (example: Example) =>
    example.file === file && example.text.includes(text);

/** Runs a program of a document where `data.yaml`, `photo.jpg` and the student of an earlier run lie. */
async function runProgram(text: string): Promise<void> {
  write('program.mjs', text);
  const child = spawn(process.execPath, ['program.mjs'], { cwd: folder });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (more) => (stdout += more));
  child.stderr.on('data', (more) => (stderr += more));
  const status = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(status, 0, stderr);
  const student = join(folder, 'runs/data-1/student.safetensors');
  if (existsSync(student)) copyFileSync(student, join(folder, 'student.safetensors'));
}

/** The fields of a fragment that it leaves out come from a recipe of the reader. */
function checkYaml(text: string): void {
  const fields = load(text) as Record<string, unknown> & { extends?: string; data?: { format?: string } };
  if (fields.extends !== undefined) usedRecipes.add(fields.extends);
  const whole = fields.extends !== undefined || fields.data?.format !== undefined;
  const teachers = fields.distill && !fields.teachers ? 'teachers: [{ weights: big.safetensors }]\n' : '';
  write('fence.yaml', `${text}\n${teachers}${whole ? '' : 'extends: data.yaml\n'}`);
  loadRecipe('fence.yaml', { cwd: folder });
}

async function tryExample({ kind, text }: Example): Promise<void> {
  if (kind === 'yaml') return checkYaml(text);
  if (kind === 'json') return void JSON.parse(text);
  if (kind === 'js') {
    assert.match(text, /from 'hdtrain'/, 'it is a part of a program');
    return runProgram(text);
  }
  assert.ok(kind === 'shell' || kind === 'span', `nothing tries examples of kind '${kind}'`);
  await checkCommand(text, recipes);
}

describe('examples of the documents', () => {
  for (const example of examples) {
    if ([...notTried, ...fragments].some((exception) => concerns(exception)(example))) continue;
    test(titleOf(example), () => tryExample(example));
  }
  test('each exception is one, and cannot be tried', async () => {
    for (const exception of [...notTried, ...fragments]) {
      const found = examples.filter(concerns(exception));
      assert.ok(found.length > 0, `nothing in ${exception.file} has '${exception.text}'`);
      for (const example of found)
        await assert.rejects(
          async () => tryExample(example),
          `${titleOf(example)} can be tried: take it out`,
        );
    }
  });
  test('programs and their parts have sound types', () => {
    const programs = examples.filter(({ kind }) => kind === 'js');
    assert.ok(programs.length > 3);
    const files = programs.map((example) => {
      const { before = '', behind = '' } = fragments.find((one) => concerns(one)(example)) ?? {};
      const name = `${example.file.replace(/\W/g, '-')}-${example.line}.mts`;
      write(name, `${before}\n${example.text}\n${behind}\nexport {};\n`);
      return name;
    });
    write('tsconfig.json', JSON.stringify({ compilerOptions, files }));
    const check = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
    assert.equal(check.status, 0, check.stdout);
  });
  test('every option of every verb stands in a document', async () => {
    const text = documents.map(textOf).join('\n');
    for (const [name, verb] of verbsByName) {
      const { builder } = verb as unknown as { builder(argv: Argv): Argv };
      const help = await builder(commandLine([], [])).getHelp();
      for (const [, option] of help.matchAll(/^ +--([\w-]+)/gm))
        assert.ok(new RegExp(`--(no-)?${option}\\b`).test(text), `nothing tells of ${name} --${option}`);
    }
  });
  test('recipes of the product that a sentence names exist', () => {
    for (const file of documents)
      for (const [, path = ''] of textOf(file).matchAll(/`(configs\/[\w./-]+)`/g))
        assert.ok(existsSync(join(root, path)), `${file} names ${path}, which does not exist`);
  });
  test('each recipe of the reader is used', () => {
    assert.deepEqual(
      readersRecipes.filter((name) => !usedRecipes.has(name)),
      [],
    );
  });
});
