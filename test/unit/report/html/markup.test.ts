import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { html, json, Markup, table } from '../../../../lib/report/html/markup.ts';
import { hostile } from '../run-folder.ts';

describe('html', () => {
  test('what is put in is text, in elements and in attributes', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', 'a', '/', '\n') }), (text) => {
        const inner = /^<p title="(.*)">(.*)<\/p>$/s.exec(html`<p title="${text}">${text}</p>`.text);
        for (const part of inner?.slice(1) ?? ['<']) {
          assert.doesNotMatch(part, /[<>"']|&(?!(amp|lt|gt|quot|#39);)/);
          const back = part.replace(
            /&(amp|lt|gt|quot|#39);/g,
            (_, name) => ({ amp: '&', lt: '<', gt: '>', quot: '"' })[name as string] ?? "'",
          );
          assert.equal(back, text);
        }
      }),
    );
  });
  test('markup stays markup, lists are joined, nothing is nothing', () => {
    const part = html`<b>${'<'}</b>`;
    assert.equal(html`${[part, [1, part]]}${null}${undefined}${false}${0}`.text, '<b>&lt;</b>1<b>&lt;</b>0');
    assert.equal(String(new Markup('<i>')), '<i>');
  });
});

test('data for scripts reads back, and nothing in it ends the script', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (data) => {
      const { text } = json(data);
      assert.doesNotMatch(text, /</);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(data)));
    }),
  );
  assert.deepEqual(JSON.parse(json([hostile, '<!--', '\u2028']).text), [hostile, '<!--', '\u2028']);
});

test('a table names its rows and columns, and can be scrolled by keyboard', () => {
  const { text } = table('Things', [{ title: 'name' }, { title: 'n', numeric: true }], [[hostile, 1]]);
  assert.match(
    text,
    /<div class="scroll" tabindex="0" role="region" aria-label="Things"><table><caption>Things</,
  );
  assert.match(text, /<th scope="col">name<\/th><th scope="col" class="number">n<\/th>/);
  assert.match(text, /<th scope="row">&lt;\/script&gt;.*<\/th><td class="number">1<\/td>/);
});
