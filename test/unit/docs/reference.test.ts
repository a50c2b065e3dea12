import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { HdError, loadRecipe, ops } from '../../../lib/index.ts';
import { apiReference } from '../../../scripts/api-reference.ts';
import { assembled, errorReference } from '../../../scripts/error-reference.ts';
import { sentencesOf } from '../../../scripts/error-sentences.ts';
import { pattern, sentences } from '../../faults/sentences.ts';
import { folderOf } from '../recipe/helpers.ts';

const rows = errorReference()
  .split('\n')
  .filter((line) => line.startsWith('| `HD_'))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| /, '')));

test('docs/reference/errors.md is what `npm run reference` writes', () => {
  const path = new URL('../../../docs/reference/errors.md', import.meta.url);
  assert.equal(readFileSync(path, 'utf8'), errorReference());
});

describe('docs/reference/api.md', () => {
  const text = apiReference();
  test('is what `npm run reference` writes', () => {
    const path = new URL('../../../docs/reference/api.md', import.meta.url);
    assert.equal(readFileSync(path, 'utf8'), text);
  });
  test('has a chapter for all that the package exports, and no more', async () => {
    const chapters = [...text.matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
    const values = Object.keys(await import('../../../lib/index.ts'));
    assert.deepEqual(
      values.filter((name) => !chapters.includes(name)),
      [],
    );
    const source = readFileSync(new URL('../../../lib/index.ts', import.meta.url), 'utf8');
    for (const name of chapters) assert.match(source, new RegExp(`\\b${name}\\b`));
    assert.ok(chapters.length > values.length, 'types too');
  });
  test('every member of what is exported is explained', () => {
    const [exported = ''] = text.split('## Types that these use');
    assert.deepEqual(exported.match(/^\| `.*` \| {2}\|$/gm) ?? [], []);
  });
  test('says what members mean, shows no bodies, and nothing private', () => {
    assert.match(text, /^\| `score: number` \| .*0–1.* \|$/m);
    assert.match(text, /^### ops\.nms$/m);
    assert.doesNotMatch(text, /this\.#|private |#session|\breturn /);
  });
  test('types that signatures name are explained, those that they name in turn as well', () => {
    const explained = new Set([...text.matchAll(/^##+ (\w+)$/gm)].map(([, name]) => name));
    for (const name of ['TrainEvent', 'StepEvent', 'NativeSession', 'MatchReport'])
      assert.ok(explained.has(name), name);
  });
});

test('every code says something, at least twenty characters of it without what differs', () => {
  assert.ok(rows.length >= 70, String(rows.length));
  for (const [code, , , says = ''] of rows)
    assert.ok(says.replaceAll('…', '').length >= 20, `${code}: ${says}`);
});

describe('sentences of the sources', () => {
  /** `#{…}` in `text` is what a template takes in. */
  const only = (text: string) => sentencesOf(text.replaceAll('#{', '\u0024{')).get('HD_SAY');

  test('of TypeScript: names and numbers become …', () => {
    assert.deepEqual(only("throw new HdError('HD_SAY', 'expected one, but received none', 'where');"), [
      'expected one, but received none',
    ]);
    assert.deepEqual(only("usage(\"HD_SAY\",\n `expected #{f(`a #{b}`, '}')} for #{c}: don\\'t`,\n place)"), [
      "expected … for …: don't",
    ]);
    assert.deepEqual(only("new HdError('HD_SAY', `cannot load #{path}: ` + reason(path) + '; build it')"), [
      'cannot load …: …; build it',
    ]);
  });

  test('of C++: literals side by side are one, other arguments …', () => {
    assert.deepEqual(
      only(
        'throw Error("HD_SAY", concat("expected ", what, " of at most ",\n f(a, "b"), \' \', "bytes but "\n "not more"), w);',
      ),
      ['expected … of at most … bytes but not more'],
    );
    assert.deepEqual(only('throw Error("HD_SAY", "expected \\"quotes\\" here");'), [
      'expected "quotes" here',
    ]);
    assert.deepEqual(
      only('throw Error(full ? "HD_OTHER" : "HD_SAY",\n concat("expected ", a, b, " there"));'),
      ['expected … there'],
    );
  });

  test('parts, variables and comparisons are none; the same sentence is one', () => {
    assert.equal(only('fail("HD_SAY", "a value", place);'), undefined);
    assert.equal(only("throw new HdError('HD_SAY', message);"), undefined);
    assert.equal(only("if (code === 'HD_SAY') return 'expected by nobody here';"), undefined);
    assert.equal(
      only("e('HD_SAY', 'expected a cat'); e('HD_SAY', 'expected a cat'); e('HD_SAY', 'expected a dog')")
        ?.length,
      2,
    );
  });
});

describe('assembled sentences', () => {
  test('stand for codes of the product that no fault test pins', () => {
    const codes = rows.map(([code = '']) => code.replaceAll('`', ''));
    for (const code of Object.keys(assembled)) {
      assert.ok(codes.includes(code), code);
      assert.equal(sentences[code], undefined, `${code} has sentences in sentences.ts`);
    }
  });

  const folder = folderOf({ 'mine.yaml': 'extends: none.yaml\n' });
  const data = 'data: {format: synthetic, train: {count: 8}}\n';
  const failures: [string, () => unknown][] = [
    ['HD_RECIPE_TYPE', () => load(`${data}train: {lr: no}\n`)],
    ['HD_RECIPE_RANGE', () => load(`${data}train: {batch: 0}\n`)],
    ['HD_RECIPE_MISSING', () => load('train: {batch: 2}\n')],
    ['HD_RECIPE_CONFLICT', () => load(`${data}train: {epochs: 1, steps: 2}\n`)],
    ['HD_RECIPE_FILE', () => loadRecipe('missing.yaml', { cwd: folder })],
    ['HD_RECIPE_EXTENDS', () => loadRecipe('mine.yaml', { cwd: folder })],
    ['HD_USAGE', () => ops.nms(new Float32Array(4), new Float32Array(2))],
  ];
  const load = (text: string) => loadRecipe('own.yaml', { cwd: folderOf({ 'own.yaml': text }) });
  for (const [code, act] of failures) {
    test(`${code} is said so`, () => {
      assert.throws(act, (error: unknown) => {
        assert.ok(error instanceof HdError && error.code === code, String(error));
        assert.ok(
          assembled[code]?.some((sentence) => pattern(sentence).test(error.message)),
          error.message,
        );
        return true;
      });
    });
  }
});
