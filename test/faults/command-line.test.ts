import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run, start, temporaryFolder, writeRecipe } from './command.ts';

const folder = temporaryFolder();
const recipe = writeRecipe(folder);
const trained = join(folder, 'trained');
after(() => rmSync(folder, { recursive: true, force: true }));

before(() => {
  const end = run(['--config', recipe, '--run', trained, '--set', 'train.epochs=1']);
  assert.equal(end.status, 0, end.stderr);
});

describe('the run folder', () => {
  test('holds the resolved recipe, metrics, checkpoints, weights and pictures', () => {
    for (const name of [
      'recipe.yaml',
      'metrics.jsonl',
      'student.safetensors',
      'checkpoints/latest',
      'diagnosis.json',
      'pictures',
    ]) {
      assert.ok(existsSync(join(trained, name)), name);
    }
    const lines = readFileSync(join(trained, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const evaluation = lines.find(({ type }) => type === 'eval');
    assert.ok(['ap', 'ap50', 'ap75'].every((key) => typeof evaluation.eval[key] === 'number'));
  });
  test('the saved recipe trains again to the same bits', () => {
    const again = join(folder, 'again');
    const end = run(['--config', join(trained, 'recipe.yaml'), '--run', again]);
    assert.equal(end.status, 0, end.stderr);
    assert.ok(
      readFileSync(join(trained, 'student.safetensors')).equals(
        readFileSync(join(again, 'student.safetensors')),
      ),
    );
  });
  test('a used folder is refused with the cure', () => {
    const end = run(['--config', recipe, '--run', trained]);
    assert.equal(end.status, 2);
    assert.match(end.stderr, /--resume auto/);
  });
  test('a finished run with --resume auto exits 0 and changes nothing', () => {
    const before = readFileSync(join(trained, 'metrics.jsonl'), 'utf8');
    const end = run(['--config', recipe, '--run', trained, '--resume', 'auto', '--set', 'train.epochs=1']);
    assert.equal(end.status, 0, end.stderr);
    assert.equal(readFileSync(join(trained, 'metrics.jsonl'), 'utf8'), before);
  });
  test('a changed recipe is refused on resume', () => {
    const end = run([
      '--config',
      recipe,
      '--run',
      trained,
      '--resume',
      'auto',
      '--set',
      'train.epochs=2',
      '--set',
      'train.lr=0.5',
    ]);
    assert.equal(end.status, 2);
    assert.match(end.stderr, /HD_RUN_RECIPE_CHANGED/);
  });
  test('a second process on the folder is refused while the first lives', async () => {
    const into = join(folder, 'locked');
    const first = start(['--config', recipe, '--run', into, '--set', 'train.epochs=200']);
    while (!existsSync(join(into, 'metrics.jsonl'))) await new Promise((resolve) => setTimeout(resolve, 100));
    const second = run(['--config', recipe, '--run', into, '--resume', 'auto']);
    assert.equal(second.status, 2);
    assert.match(second.stderr, /HD_RUN_LOCKED/);
    first.child.kill('SIGTERM');
    const end = await first.done;
    assert.equal(end.status, 75, end.stderr);
    assert.match(end.stdout, /--resume auto/);
    assert.ok(existsSync(join(into, 'checkpoints/latest')));
  });
});

describe('exit codes', () => {
  const cases: [string, string[], number, RegExp][] = [
    ['no recipe', [], 2, /config/],
    ['a missing recipe', ['--config', join(folder, 'none.yaml')], 2, /none\.yaml/],
    ['an unknown key', ['--config', recipe, '--set', 'train.epocs=3'], 2, /epochs/],
    ['an unknown verb option', ['train', '--config', recipe, '--frobnicate'], 2, /frobnicate/],
    ['missing data', ['check', '--config', recipe, '--set', 'data.format=coco'], 2, /data\./],
    [
      'missing weights',
      ['--config', recipe, '--run', join(folder, 'w'), '--set', 'model.weights=/nonexistent/w.pth'],
      4,
      /w\.pth/,
    ],
    [
      'a diverging run',
      [
        '--config',
        recipe,
        '--run',
        join(folder, 'd'),
        '--set',
        'train.lr=100',
        '--set',
        'train.clip=0',
        '--set',
        'train.lrBatch=0',
        '--set',
        'train.warmup.length=0',
        '--set',
        'train.epochs=60',
      ],
      5,
      /HD_DIVERGED/,
    ],
  ];
  for (const [name, args, code, pattern] of cases) {
    test(`${name}: ${code}`, () => {
      const end = run(args);
      assert.equal(end.status, code, `${end.stdout}${end.stderr}`);
      assert.match(end.stderr, pattern);
    });
  }
  test('broken data: 3, naming file and place', () => {
    const data = join(folder, 'broken');
    mkdirSync(data);
    writeFileSync(join(data, 'a.json'), '{"images": [');
    const text = `data: { format: coco, train: { images: ${data}, annotations: ${join(data, 'a.json')} } }\n`;
    const end = run(['--config', writeRecipe(folder, text, 'broken.yaml'), '--run', join(folder, 'b')]);
    assert.equal(end.status, 3, end.stderr);
    assert.match(end.stderr, /a\.json/);
  });
  test('weights of another model: 4', () => {
    const end = run([
      'eval',
      '--config',
      recipe,
      '--weights',
      join(trained, 'student.safetensors'),
      '--set',
      'model.neckChannels=64',
    ]);
    assert.equal(end.status, 4, end.stderr);
    assert.match(end.stderr, /HD_WEIGHTS_MISMATCH/);
  });
});

describe('verbs', () => {
  const weights = join(trained, 'student.safetensors');
  test('--version and --help', () => {
    assert.match(run(['--version']).stdout, /^\d+\.\d+\.\d+\n$/);
    for (const verb of [
      'train',
      'eval',
      'score',
      'predict',
      'check',
      'new',
      'inspect',
      'import',
      'bench',
      'doctor',
    ]) {
      const end = run([verb, '--help']);
      assert.equal(end.status, 0, verb);
      assert.match(end.stdout, /--json/);
    }
  });
  test('errors are JSON with --json', () => {
    const end = run(['--config', recipe, '--set', 'train.epocs=3', '--json']);
    const error = JSON.parse(end.stderr);
    assert.equal(error.type, 'error');
    assert.match(error.code, /^HD_RECIPE/);
  });
  test('check, inspect, eval, doctor and bench answer in JSON', () => {
    const check = JSON.parse(run(['check', '--config', recipe, '--json']).stdout);
    assert.equal(check.splits.train.images, 12);
    const inspect = JSON.parse(run(['inspect', '--config', recipe, '--json']).stdout);
    assert.ok(inspect.parameters > 1e7 && inspect.taps.length > 10);
    const evaluated = JSON.parse(run(['eval', '--config', recipe, '--weights', weights, '--json']).stdout);
    assert.equal(evaluated.images, 4);
    assert.ok(JSON.parse(run(['doctor', '--json']).stdout).native.torch);
    assert.ok(JSON.parse(run(['bench', 'nms', '--candidates', '200', '--json']).stdout)[0].milliseconds > 0);
  });
  test('predict reads files and folders, skips what is no picture, and draws', () => {
    const out = join(folder, 'predictions');
    writeFileSync(join(folder, 'not-a-picture.jpg'), 'text');
    const [step = ''] = readdirSync(join(trained, 'pictures'));
    const picture = join(trained, 'pictures', step);
    const end = run([
      'predict',
      '--weights',
      weights,
      '--score',
      '0.01',
      '--out',
      out,
      '--json',
      picture,
      join(folder, 'not-a-picture.jpg'),
    ]);
    assert.equal(end.status, 0, end.stderr);
    assert.match(end.stderr, /not-a-picture/);
    assert.equal(JSON.parse(end.stdout).length, 2);
    assert.ok(existsSync(join(out, 'predictions.json')));
  });
  test('import rewrites weights, and strict loading takes them', () => {
    const copy = join(folder, 'copy.safetensors');
    assert.equal(run(['import', weights, copy]).status, 0);
    const end = run(['eval', '--config', recipe, '--weights', copy, '--json']);
    assert.equal(end.status, 0, end.stderr);
    assert.equal(run(['import', weights, copy]).status, 2);
  });
});
