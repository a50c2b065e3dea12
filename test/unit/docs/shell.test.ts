/**
 * The command lines of the documents run, in their order, in a folder as their reader has it, and leave the files that the
 * text promises. What is not run stands in `notRun` with the reason; a command that is neither fails the first test.
 * Commands in the sentences of README and the guides run too; those of other documents are parsed (fences.test.ts).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type Finished, temporaryFolder } from '../../faults/command.ts';
import { CommandLine, runUntilInterrupted } from './command-line.ts';
import { documents, type Example, examplesOf, textOf, wordsOf } from './markdown.ts';
import { layOut, tiny } from './reader.ts';

const notRun: readonly { why: string; commands: readonly string[] }[] = [
  {
    why: 'sets up, builds or tests the whole checkout: minutes, and this test is a part of it',
    commands: [
      'npm run quickstart',
      'npm run setup',
      'npm test',
      'npm run test:sanitize',
      'npm run fuzz',
      'npm run fuzz -- --target png --count 100000',
      'npm run fuzz -- --target png --seed 1 --first 531 --count 1',
      'npm run fuzz -- --target coco --input file.json',
      'npm run soak',
      'npm run lint',
      'cmake -S native -B native/.build/dev -G Ninja -DLIBTORCH=… -DHDTRAIN_TESTS=ON',
      'ninja -C native/.build/dev native_core golden_ops …',
      'native/.build/dev/native_core',
    ],
  },
  { why: 'a program of others', commands: ['tensorboard --logdir runs'] },
  {
    why: 'wants a server; mlflow.test.ts and wandb.test.ts run them against one',
    commands: [
      'node docs/examples/mlflow.js runs/cells-1 http://127.0.0.1:5000',
      'python3 docs/examples/wandb-log.py runs/cells-1 cells',
    ],
  },
];

/** What belongs to single commands, which a part of them names. */
const special: readonly {
  part: string;
  /** Overrides before those of the example. */
  set?: string[];
  /** Options behind it, which make it shorter. */
  more?: string[];
  /** The signal that is to end it. */
  signal?: NodeJS.Signals;
  /** What the text says it leaves, beside --out and the folder of a run; * for what depends on the weights. */
  leaves?: string[];
}[] = [
  { part: 'hdtrain new path/to/data', leaves: ['data.yaml'] },
  { part: 'predict --weights', leaves: ['predictions/predictions.json', 'predictions/*.jpg'] },
  {
    part: 'eval --config data.yaml --weights runs/data-1/student.safetensors --pictures',
    leaves: ['seen/*.jpg'],
  },
  { part: 'browse --config', leaves: ['browse/index.html'] },
  { part: 'import weights/resnet18.pth', leaves: ['weights/resnet18.safetensors'] },
  { part: 'publish runs/small-1', leaves: ['models/small-1-????????.safetensors'] },
  { part: 'publish runs/data-1', leaves: ['published/data-1-????????.safetensors'] },
  {
    part: 'landscape',
    more: ['--own', '1', '--other', '0'],
    leaves: ['landscape/*.json', 'landscape/*.svg'],
  },
  { part: 'find-lr', more: ['--steps', '10'] },
  { part: 'find-batch', more: ['--max', '4'] },
  { part: '--resume auto', leaves: ['runs/a/student.safetensors'] },
  { part: 'tar --sort', leaves: ['train-000.tar'] },
  // Five epochs of eight steps: the fortieth is saved. It is killed there, and the checkpoint before it is whole.
  {
    part: 'debug.fault',
    set: ['train.batch=1', 'train.epochs=5', 'eval.every=5', 'checkpoint.seconds=100'],
    signal: 'SIGKILL',
    leaves: ['runs/data-*/checkpoints/step-0000000032/weights.safetensors'],
  },
];

const root = temporaryFolder();
const commandLine = new CommandLine();
after(() => {
  commandLine.close();
  rmSync(root, { recursive: true, force: true });
});

const isGuide = (file: string) => file === 'README.md' || file.startsWith('docs/guide/');
/** `npx hdtrain eval` in a sentence is a verb's name. */
const isCommand = ({ file, kind, text }: Example) =>
  kind === 'shell' || (kind === 'span' && isGuide(file) && /^npx hdtrain (\S+ \S|doctor)/.test(text));
const examples = documents.map((file) => ({ file, commands: examplesOf(file).filter(isCommand) }));
const listed = new Set(notRun.flatMap(({ commands }) => commands));
const canRun = ({ text }: Example) => /^(npx hdtrain|tar) /.test(text) && !listed.has(text);

/** The files of a run, as docs/guide/first-run.md lists them. */
const runFiles = [...textOf('docs/guide/first-run.md').matchAll(/^\| `([^`]+)`/gm)]
  .map(([, name = '']) => name.replace('…', '*'))
  .filter((name) => name !== 'bad samples');

/** The files whose path fits, in which * and ? stand for characters of one part. */
function find(folder: string, pattern: string): string[] {
  const [part = '', ...rest] = pattern.split('/').filter((one) => one !== '');
  const fits = new RegExp(`^${part.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.')}$`);
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => fits.test(name)) : [];
  if (rest.length === 0) return names;
  return names.flatMap((name) => find(join(folder, name), rest.join('/')).map((below) => `${name}/${below}`));
}

const folderOf = (file: string) => join(root, file.replace(/\W/g, '-'));

async function prepare(file: string): Promise<string> {
  const folder = folderOf(file);
  mkdirSync(folder);
  // A reader of these begins with a folder of pictures, the others have trained before.
  const begins = file === 'README.md' || file === 'docs/guide/own-data.md';
  layOut(folder, begins ? null : join(folderOf('README.md'), 'runs/data-1'));
  const given = async (status: number, ...args: string[]) =>
    assert.equal((await commandLine.run(args, folder)).status, status, args.join(' '));
  if (file === 'docs/guide/look-first.md')
    await given(
      5,
      '--config',
      'data.yaml',
      '--run',
      'RUN',
      '--set',
      'debug.fault={point: step, action: nan}',
    );
  if (file === 'bench/README.md')
    for (const name of ['before.json', 'after.json'])
      await given(0, 'bench', 'nms', '--candidates', '50', '--save', name);
  return folder;
}

/** Names of published files hold a piece of their hash, which the text makes up. */
function withHashes(word: string, folder: string): string {
  if (!word.includes('1a2b3c4d')) return word;
  const [found] = find(folder, word.replace('1a2b3c4d', '????????'));
  assert.ok(found, `nothing has made ${word} before`);
  return found;
}

async function tryCommand({ text }: Example, folder: string): Promise<void> {
  const [, ...words] = wordsOf(text);
  if (text.startsWith('tar ')) {
    const { status, stderr } = spawnSync('tar', words, { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  }
  const own = special.filter(({ part }) => text.includes(part));
  const sets = [...tiny, ...own.flatMap(({ set = [] }) => set)].flatMap((set) => ['--set', set]);
  const args = words
    .slice(1)
    .flatMap((word) => (word === '--config' ? [...sets, word] : [withHashes(word, folder)]));
  args.push(...own.flatMap(({ more = [] }) => more));
  const signal = own.find((one) => one.signal)?.signal ?? null;
  if (!text.startsWith('tar ')) {
    const ended = await start(args, folder);
    const said = `${ended.stdout.slice(-2000)}${ended.stderr}`;
    assert.deepEqual([ended.status, ended.signal], [signal ? null : 0, signal], said);
    const student = /^done in .*?: (.*)student\.safetensors$/m.exec(ended.stdout)?.[1];
    if (args[0]?.startsWith('--')) assert.ok(student || signal || text.includes('--compare'), said);
    for (const name of student ? runFiles : [])
      assert.ok(find(student as string, name).length > 0, `the run left no ${name}`);
  }
  const out = args.indexOf('--out');
  const promised = [
    ...(out < 0 ? [] : [args[out + 1] as string]),
    ...own.flatMap(({ leaves = [] }) => leaves),
  ];
  for (const name of promised) assert.ok(find(folder, name).length > 0, `there is no ${name}`);
}

function start(args: string[], folder: string): Promise<Finished> {
  if (args[0] !== 'view') return commandLine.run(args, folder);
  return runUntilInterrupted(args, folder, async (line) => {
    const url = /^http:\S+/.exec(line)?.[0];
    assert.ok(url, line);
    assert.match(await (await fetch(url)).text(), /<h1>/);
  });
}

const done = new Set<string>();

describe('command lines of the documents', { timeout: 600_000 }, () => {
  test('each is run, or listed with a reason', () => {
    const all = examples.flatMap(({ commands }) => commands);
    const left = all.filter((example) => !canRun(example) && !listed.has(example.text));
    assert.deepEqual(
      left.map(({ file, line, text }) => `${file}:${line} ${text}`),
      [],
    );
    const stale = [...listed].filter((command) => !all.some(({ text }) => text === command));
    assert.deepEqual(stale, [], 'listed, and in no document');
    const unused = special.filter(({ part }) => !all.some(({ text }) => text.includes(part)));
    assert.deepEqual(unused, []);
  });
  for (const { file, commands } of examples) {
    // What another document has said before does the same again.
    const some = commands.filter((example) => canRun(example) && !done.has(example.text));
    for (const { text } of some) done.add(text);
    if (some.length === 0) continue;
    describe(file, () => {
      let folder = '';
      test('is read', async () => {
        folder = await prepare(file);
      });
      for (const example of some) test(`${example.line}: ${example.text}`, () => tryCommand(example, folder));
    });
  }
});
