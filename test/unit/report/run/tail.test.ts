import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { Tail } from '../../../../lib/report/run/tail.ts';
import { temporaryFolder } from '../../../faults/command.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

function follow() {
  const path = join(mkdtempSync(join(root, 'tail-')), 'lines');
  let lines: string[] = [];
  let restarts = 0;
  const tail = new Tail(
    path,
    (line) => lines.push(line),
    () => {
      lines = [];
      restarts += 1;
    },
  );
  return { path, tail, lines: () => lines, restarts: () => restarts };
}

test('a file that is not there has no lines; once it is there it has', () => {
  const { path, tail, lines } = follow();
  assert.equal(tail.read(), false);
  writeFileSync(path, 'a\nb\n');
  assert.equal(tail.read(), true);
  assert.deepEqual(lines(), ['a', 'b']);
  assert.equal(tail.read(), false);
});

test('wherever writes are cut, inside a character too, each line comes whole and once', () => {
  const texts = fc.array(fc.string({ unit: 'binary', maxLength: 12 }), { maxLength: 8 });
  fc.assert(
    fc.property(texts, fc.array(fc.nat(), { maxLength: 6 }), (given, cuts) => {
      const wanted = given.map((text) => text.replaceAll('\n', ' ').toWellFormed());
      const bytes = Buffer.from(wanted.map((line) => `${line}\n`).join(''));
      const { path, tail, lines, restarts } = follow();
      writeFileSync(path, '');
      const places = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
      let from = 0;
      for (const to of places) {
        appendFileSync(path, bytes.subarray(from, to));
        tail.read();
        from = to;
      }
      assert.deepEqual(lines(), wanted);
      assert.equal(restarts(), 0);
    }),
    { numRuns: 40 },
  );
});

test('only what is new is read', () => {
  const { path, tail, lines } = follow();
  writeFileSync(path, `${'x'.repeat(5000)}\n`);
  tail.read();
  // A change far behind is not seen: it would be if the file were read from the start.
  writeFileSync(path, `${'y'.repeat(2000)}${'x'.repeat(3000)}\nmore\n`);
  tail.read();
  assert.deepEqual(lines(), ['x'.repeat(5000), 'more']);
});

test('a file that was cut, replaced or taken away begins anew', () => {
  const { path, tail, lines, restarts } = follow();
  writeFileSync(path, 'a\nb\nc\n');
  tail.read();
  writeFileSync(path, 'a\n');
  assert.equal(tail.read(), true);
  assert.deepEqual(lines(), ['a']);
  writeFileSync(path, 'z\nlonger than before\n');
  assert.equal(tail.read(), true);
  assert.deepEqual(lines(), ['z', 'longer than before']);
  rmSync(path);
  assert.equal(tail.read(), true);
  assert.deepEqual(lines(), []);
  assert.equal(restarts(), 3);
});

test('lines longer than what is read at once', () => {
  const { path, tail, lines } = follow();
  const long = 'é'.repeat(1_500_000);
  writeFileSync(path, `${long}\nend\n`);
  tail.read();
  assert.ok(lines()[0] === long);
  assert.equal(lines()[1], 'end');
});
