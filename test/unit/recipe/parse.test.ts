import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { dump, load as loadYaml } from 'js-yaml';
import { limits, parseRecipe, resolveScalar } from '../../../lib/recipe/parse.ts';
import { nodeAt, originOf, type SourceNode, toPlain } from '../../../lib/recipe/source.ts';
import { aSource, outline } from './helpers.ts';

const parse = (text: string) => parseRecipe(text, aSource);

/** The tree of a text that must parse. */
function tree(text: string): SourceNode {
  const { root, problems } = parse(text);
  assert.deepEqual(problems, []);
  return root as SourceNode;
}

/** `[code, line]` of everything that is wrong with a text. */
const complaints = (text: string) => parse(text).problems.map(({ code, line }) => [code, line]);

describe('values and where they stand', () => {
  test('lines of scalars, lists and maps', () => {
    const text = ['a: 1', 'b:', '  - x', '  - {c: 2,', '     d: 3}', '', '# note', 'e: "t"'].join('\n');
    assert.deepEqual(outline(tree(text)), {
      a: [1, 1],
      b: [['x', 3], { c: [2, 4], d: [3, 5] }],
      e: ['t', 8],
    });
  });

  test('a key has a place of its own', () => {
    const root = tree('a:\n  b:\n    long: 1\n');
    const origin = originOf(root, ['a', 'b']);
    assert.deepEqual([origin.line, origin.column], [2, 3]);
    const scalar = nodeAt(root, ['a', 'b', 'long'])?.at;
    assert.deepEqual([scalar?.line, scalar?.column], [3, 11]);
  });

  test('Windows and old Mac line ends count as one', () => {
    assert.deepEqual(outline(tree('a: 1\r\nb: 2\r\n')), { a: [1, 1], b: [2, 2] });
    assert.deepEqual(outline(tree('a: 1\rb: 2\r')), { a: [1, 1], b: [2, 2] });
  });

  test('a byte order mark is no part of the first key', () => {
    assert.deepEqual(outline(tree('\ufeffa: 1')), { a: [1, 1] });
  });

  test('an empty text, comments alone and a bare document are an empty map', () => {
    for (const text of ['', '\n\n', '# nothing\n', '---\n', '---\n...\n', '~\n']) {
      assert.deepEqual(outline(tree(text)), {}, JSON.stringify(text));
    }
  });

  test('aliases repeat a value at the place of its anchor', () => {
    assert.deepEqual(outline(tree('a: &x [1, 2]\nb: *x\n')), {
      a: [
        [1, 1],
        [2, 1],
      ],
      b: [
        [1, 1],
        [2, 1],
      ],
    });
  });

  test('block texts', () => {
    assert.deepEqual(outline(tree('a: |\n  one\n  two\nb: >-\n  one\n  two\n')), {
      a: ['one\ntwo\n', 2],
      b: ['one two', 5],
    });
  });
});

describe('YAML 1.2 types', () => {
  const cases: [string, unknown][] = [
    ['1', 1],
    ['-3', -3],
    ['012', 12],
    ['0x1F', 31],
    ['0o17', 15],
    ['1e-3', 0.001],
    ['1E3', 1000],
    ['.5', 0.5],
    ['+.5e1', 5],
    ['-.inf', Number.NEGATIVE_INFINITY],
    ['true', true],
    ['False', false],
    ['null', null],
    ['~', null],
    ['', null],
    ['no', 'no'],
    ['yes', 'yes'],
    ['on', 'on'],
    ['1_000', '1_000'],
    ['2024-01-01', '2024-01-01'],
    ['12:30', '12:30'],
    ['nullable', 'nullable'],
    ['truest', 'truest'],
    ['-', '-'],
    ['1.2.3', '1.2.3'],
    ['runs/a', 'runs/a'],
  ];
  for (const [text, value] of cases) {
    test(`${JSON.stringify(text)} is ${JSON.stringify(value)}`, () => {
      assert.strictEqual(resolveScalar(text), value);
    });
  }

  test('quotes make texts, core tags are obeyed', () => {
    assert.deepEqual(toPlain(tree('{a: "1e-3", b: \'no\', c: !!str 5, d: !!int "7"}')), {
      ...Object.create(null),
      __proto__: null,
      a: '1e-3',
      b: 'no',
      c: '5',
      d: 7,
    });
  });

  test('agrees with js-yaml on any scalar it can write', () => {
    const scalar = fc.oneof(
      fc.string(),
      fc.double({ noNaN: true }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
    );
    fc.assert(
      fc.property(scalar, (value) => {
        const text = dump({ a: value });
        const read = toPlain(tree(text)) as { a: unknown };
        assert.deepEqual(read.a, (loadYaml(text) as { a: unknown }).a);
      }),
    );
  });

  test('agrees with js-yaml on any tree', () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.string({ maxLength: 8 }),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('any'), { maxLength: 4 }),
        fc.dictionary(
          fc.string({ minLength: 1, maxLength: 5 }).filter((key) => key !== '<<' && key !== '__proto__'),
          tie('any'),
          { maxKeys: 4 },
        ),
      ),
    })).any;
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), value, { minKeys: 1, maxKeys: 4 }),
        (root) => {
          const read = JSON.stringify(toPlain(tree(dump(root))));
          assert.equal(read, JSON.stringify(loadYaml(dump(root))));
        },
      ),
    );
  });
});

describe('refusals', () => {
  test('duplicate keys, all of them, and the first value stays', () => {
    const text = 'a: 1\nb: {c: 1, c: 2}\na: 2\na: 3\n';
    const { root, problems } = parse(text);
    assert.deepEqual(
      problems.map(({ code, line, path }) => [code, line, path]),
      [
        ['HD_RECIPE_DUPLICATE_KEY', 2, 'b.c'],
        ['HD_RECIPE_DUPLICATE_KEY', 3, 'a'],
        ['HD_RECIPE_DUPLICATE_KEY', 4, 'a'],
      ],
    );
    assert.match(problems[1]?.message ?? '', /remove it here or in line 1/);
    assert.deepEqual(outline(root), { a: [1, 1], b: { c: [1, 2] } });
  });

  test('the merge key points to extends', () => {
    const { problems } = parse('base: &b {x: 1}\ntop:\n  <<: *b\n  y: 2\n');
    assert.deepEqual(
      problems.map(({ code, line }) => [code, line]),
      [['HD_RECIPE_SYNTAX', 3]],
    );
    assert.match(problems[0]?.message ?? '', /use 'extends'$/);
  });

  test('a tab that indents names line and column', () => {
    const [problem] = parse('a:\n\tb: 1\n').problems;
    assert.equal(problem?.code, 'HD_RECIPE_SYNTAX');
    assert.equal(problem?.line, 2);
    assert.match(problem?.message ?? '', /column 1 \(a\.yaml:2\); tab characters must not be used/);
  });

  test('texts that were cut off', () => {
    for (const text of ['a: [1, 2', 'a: "x', 'a: {b: 1', "a: 'x\n\n"]) {
      assert.deepEqual(
        parse(text).problems.map(({ code }) => code),
        ['HD_RECIPE_SYNTAX'],
        text,
      );
    }
  });

  test('what YAML forbids', () => {
    for (const text of [
      '@a: 1',
      'a: `b`',
      'a: \0',
      'a: b: c',
      '- a\nb: 1',
      'a: *nowhere',
      'a: &x [*x]',
      '%FOO',
    ]) {
      const { problems } = parse(text);
      assert.equal(problems[0]?.code, 'HD_RECIPE_SYNTAX', JSON.stringify(text));
    }
  });

  test('tags of other schemas', () => {
    assert.deepEqual(complaints('a: !!js/function x\nb: !foo 1\nc: !!set {x}\nd: !!int nine\n'), [
      ['HD_RECIPE_SYNTAX', 1],
      ['HD_RECIPE_SYNTAX', 2],
      ['HD_RECIPE_SYNTAX', 3],
      ['HD_RECIPE_SYNTAX', 4],
    ]);
  });

  test('keys that are no plain texts', () => {
    assert.deepEqual(complaints('[a, b]: 1\n'), [['HD_RECIPE_SYNTAX', 1]]);
    assert.deepEqual(complaints('? {a: 1}\n: 2\n'), [['HD_RECIPE_SYNTAX', 1]]);
    assert.deepEqual(complaints('!!str a: 1\n'), [['HD_RECIPE_SYNTAX', 1]]);
  });

  test('a second document', () => {
    assert.deepEqual(complaints('a: 1\n---\nb: 2\n'), [['HD_RECIPE_SYNTAX', 1]]);
    assert.deepEqual(complaints('---\na: 1\n...\n'), []);
  });
});

describe('limits', () => {
  test('nesting', () => {
    const nested = (levels: number) => `a: ${'['.repeat(levels)}${']'.repeat(levels)}`;
    assert.deepEqual(complaints(nested(limits.depth - 1)), []);
    assert.deepEqual(complaints(nested(limits.depth)), [['HD_RECIPE_LIMIT', 1]]);
    assert.deepEqual(complaints(nested(10_000)), [['HD_RECIPE_LIMIT', 1]]);
  });

  test('aliases', () => {
    const aliases = (count: number) => `a: &x 1\nb: [${Array(count).fill('*x').join(', ')}]`;
    assert.deepEqual(complaints(aliases(limits.aliases)), []);
    assert.deepEqual(complaints(aliases(limits.aliases + 1)), [['HD_RECIPE_LIMIT', 2]]);
  });

  test('aliases of aliases are refused by what they would grow to, at once', () => {
    const lines = ['l0: &l0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let level = 1; level < 10; level++) {
      lines.push(
        `l${level}: &l${level} [${Array(10)
          .fill(`*l${level - 1}`)
          .join(', ')}]`,
      );
    }
    const begin = performance.now();
    assert.deepEqual(
      parse(lines.join('\n')).problems.map(({ code }) => code),
      ['HD_RECIPE_LIMIT'],
    );
    assert.ok(performance.now() - begin < 2000);
  });

  test('many values', () => {
    assert.deepEqual(
      complaints(
        `a: [${Array(limits.nodes + 1)
          .fill('1')
          .join(',')}]`,
      ),
      [['HD_RECIPE_LIMIT', 1]],
    );
  });
});

describe('any text', () => {
  const yamlish = fc
    .array(
      fc.constantFrom(
        'a',
        'b: ',
        '- ',
        '\n',
        '  ',
        '\t',
        '[',
        ']',
        '{',
        '}',
        ',',
        ': ',
        '&x ',
        '*x',
        '"',
        "'",
        '|',
        '>',
        '!!str ',
        '<<: ',
        '#',
        '---\n',
        '...\n',
        '%',
        '? ',
        '\r\n',
        '\u2028',
        '\ufeff',
        '1e-3',
        '~',
        '\\',
        '!t ',
      ),
      { maxLength: 40 },
    )
    .map((parts) => parts.join(''));

  test('never throws, and points inside the text', () => {
    fc.assert(
      fc.property(fc.oneof(yamlish, fc.string({ unit: 'binary', maxLength: 60 })), (text) => {
        const { root, problems } = parse(text);
        assert.ok(root !== undefined || problems.length > 0);
        const lines = text.split(/\r\n|\n|\r/).length;
        for (const { line, message } of problems) {
          assert.ok(line >= 1 && line <= lines, `${line} of ${lines}: ${message}`);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
