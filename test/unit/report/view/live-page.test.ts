import assert from 'node:assert/strict';
import { test } from 'node:test';
import { html } from '../../../../lib/report/html/markup.ts';
import { LivePage } from '../../../../lib/report/view/live-page.ts';

function pageOf(...given: [id: string, text: string][]) {
  let sections = given;
  const page = new LivePage('runs', '/events', () =>
    sections.map(([id, text]) => ({ id, title: id, body: html`${text}` })),
  );
  page.update();
  const version = page.news(0)?.version ?? 0;
  return { page, version, become: (...next: typeof given) => (sections = next) };
}

test('a reader gets what changed since, once, and the order of all', () => {
  const { page, version, become } = pageOf(['a', '1'], ['b', '1']);
  assert.equal(page.news(version), null);
  assert.equal(page.update(), false);
  become(['a', '1'], ['c', '1'], ['b', '2']);
  assert.equal(page.update(), true);
  const news = page.news(version);
  assert.deepEqual(news?.order, ['a', 'c', 'b']);
  assert.deepEqual(
    news?.sections.map(({ id }) => id),
    ['c', 'b'],
  );
  assert.equal(page.news(news?.version ?? 0), null);
});

test('one who was away for long gets all that he lacks', () => {
  const { page, version, become } = pageOf(['a', '1'], ['b', '1']);
  become(['a', '2'], ['b', '1']);
  page.update();
  become(['a', '3'], ['b', '1']);
  page.update();
  const news = page.news(version);
  assert.deepEqual(
    news?.sections.map(({ id }) => id),
    ['a'],
  );
  assert.match(news?.sections[0]?.html ?? '', /3/);
  assert.equal(page.news(0)?.sections.length, 2);
});

test('a section that goes is news too', () => {
  const { page, version, become } = pageOf(['a', '1'], ['b', '1']);
  become(['a', '1']);
  assert.equal(page.update(), true);
  assert.deepEqual(page.news(version), {
    version: version + 1,
    title: 'runs',
    order: ['a'],
    sections: [],
  });
});

test('the document knows its version', () => {
  const { page, version } = pageOf(['a', '<1>']);
  assert.match(page.document(null), new RegExp(`data-events="/events\\?since=${version}"`));
  assert.match(page.document(null), /&lt;1&gt;/);
});
