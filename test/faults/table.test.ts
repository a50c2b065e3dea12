/** docs/internals/faults.md names tests and codes that exist, and every sentence of sentences.ts is held by a test. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { errorReference } from '../../scripts/error-reference.ts';
import { pattern, sentences } from './sentences.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const rows = read('docs/internals/faults.md')
  .split('\n')
  .filter((line) => /^\| \d+ *\|/.test(line))
  .map((line) => {
    const [number = '', fault = '', answer = '', tests = ''] = line
      .split(' | ')
      .map((cell) => cell.replace(/^\| | \|$/g, '').trim());
    return { number: Number(number), fault, answer, tests };
  });
const own = readdirSync(join(root, 'test/faults')).filter((name) => name.endsWith('.test.ts'));
const titles = (path: string) =>
  [...read(path).matchAll(/\b(?:test|describe|TEST_CASE)\(\s*(['"`])(.*?)\1/gs)].map(
    ([, , title = '']) => title,
  );

test('every number of one process has a row', () => {
  const numbers = [...Array(24).keys()]
    .map((i) => i + 1)
    .concat([28, 29, 30, 31, 32, 34, 35, 43, 44, 45, 46, 47, 48, 49, 50]);
  assert.deepEqual(
    rows.map(({ number }) => number),
    numbers,
  );
});

describe('the tests of each row exist', () => {
  for (const { number, fault, tests } of rows) {
    test(`${number}: ${fault}`, () => {
      const named = [...tests.matchAll(/`([^`]+)`(?: "([^"]+)")?/g)];
      assert.ok(named.length > 0 || tests === '–', `nothing tests ${fault}`);
      for (const [, path = '', title] of named) {
        assert.ok(existsSync(join(root, path)), `${path} does not exist`);
        const all = titles(path);
        if (title)
          assert.ok(
            all.some((each) => each.includes(title)),
            `${path} has no test '${title}'`,
          );
        else if (path.startsWith('test/faults/'))
          assert.ok(
            all.some((each) => numbersOf(each).includes(number)),
            `no test of ${path} begins with ${number}`,
          );
      }
    });
  }
});

/** `7: …`, `2, 5: …` and `20 to 22: …` at the beginning of a title. */
function numbersOf(title: string): number[] {
  const [, head = ''] = /^([\d, to]+): /.exec(title) ?? [];
  return head.split(', ').flatMap((part) => {
    const [first = 0, last = first] = part.split(' to ').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

test('the codes of the table are codes of the product', () => {
  const reference = errorReference();
  for (const { answer } of rows)
    for (const [, code] of answer.matchAll(/`(HD_\w+)`/g))
      assert.ok(reference.includes(`| \`${code}\` |`), code);
});

test('a test expects each code', () => {
  const text = own.map((name) => read(`test/faults/${name}`)).join('\n');
  for (const code of Object.keys(sentences)) assert.ok(text.includes(`'${code}'`), `nothing expects ${code}`);
});

/** The text that the product's messages are made of: literals of C++ that stand side by side are one. */
function saidBy(folder: string): string {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|cpp|h)$/.test(name) && !name.startsWith('.build'))
    .map((name) => {
      const text = read(`${folder}/${name}`);
      const joined = [/"\s*"/g, /"\s*,?\s*"/g].map((seam) => text.replace(seam, '').replaceAll('\\"', '"'));
      return name.endsWith('.ts') ? text : joined.join('\n');
    })
    .join('\n');
}

describe('the product says each sentence, piece by piece', () => {
  const product = saidBy('lib') + saidBy('native');
  for (const [code, all] of Object.entries(sentences)) {
    test(code, () => {
      // Some are put together from what was expected, for what, received, and the cure.
      for (const sentence of all)
        for (const piece of sentence.split(/…|expected | for | but received | \(|\); |; |: /))
          assert.ok(product.includes(piece), `nobody says '${piece}' any more, as in '${sentence}'`);
    });
  }
});

test('a pattern takes the whole sentence, with anything for …', () => {
  assert.match('expected a (b) for c', pattern('expected … (b) for …'));
  assert.doesNotMatch('expected a b for c', pattern('expected … (b) for …'));
  assert.doesNotMatch('expected a for c, more', pattern('expected … for c'));
});
