import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { RunReader } from '../../../../lib/report/run/run-reader.ts';
import { compareSections } from '../../../../lib/report/view/compare.ts';
import { temporaryFolder } from '../../../faults/command.ts';
import { evalLine, hostile, type RunFiles, stepLine, writeRun } from '../run-folder.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

let made = 0;
function sectionsOf(...files: RunFiles[]): Map<string, string> {
  const runs = files.map((given, i) => {
    const run = new RunReader(writeRun(join(root, `run-${++made}`), given));
    run.refresh();
    return { name: i === 0 ? 'first' : hostile, address: `/runs/${i}/`, run };
  });
  return new Map(compareSections(runs).map(({ id, body }) => [id, String(body)]));
}

describe('runs side by side', () => {
  test('the numbers of the best evaluation, the highest of each column bold, with a way to each run', () => {
    const text = sectionsOf({}, { lines: [evalLine(70, 0.7)] }).get('metrics') ?? '';
    assert.match(text, /<a href="\/runs\/0\/">first<\/a>.*>200<.*>0\.500</s);
    assert.match(text, /<a href="\/runs\/1\/">&lt;\/script&gt;.*>70<.*<strong>0\.700<\/strong>/s);
    assert.equal([...text.matchAll(/<strong>/g)].length, 6);
  });
  test('a run whose folder cannot be read says so where its state stands', () => {
    const run = new RunReader(writeRun(join(root, `run-${++made}`), {}));
    run.refresh();
    run.trouble = `EACCES ${hostile}`;
    const body = String(compareSections([{ name: 'a', address: '/runs/0/', run }])[0]?.body);
    assert.match(body, /cannot be read: EACCES &lt;/);
  });
  test('a chart for each quantity that any has, a line for each run that has it, in the colour of the run', () => {
    const text = sectionsOf({ lines: [] }, { lines: [stepLine(1, 2), stepLine(2, 1)] }).get('curves') ?? '';
    assert.match(text, /<figcaption>Loss: total/);
    assert.match(text, /<figcaption>Learning rate</);
    assert.doesNotMatch(text, /class="line series-0"/);
    assert.match(text, /class="line series-1"/);
    assert.doesNotMatch(text, /Precision/);
    assert.doesNotMatch(text, /<img/);
  });
  test('fields that differ, of whatever version the recipes are', () => {
    const text =
      sectionsOf(
        { recipe: 'train: { lr: 0.02, epochs: 3 }\n' },
        { recipe: 'train: { lr: 0.04, epochs: 3 }\nnovelty: [1, 2]\n' },
      ).get('recipes') ?? '';
    assert.match(text, /train\.lr<\/th><td>0\.02<\/td><td>0\.04</);
    assert.match(text, /novelty<\/th><td>–<\/td><td>\[1,2\]</);
    assert.doesNotMatch(text, /epochs/);
  });
  test('equal recipes, and recipes that are none', () => {
    assert.match(sectionsOf({}, {}).get('recipes') ?? '', /do not differ/);
    assert.match(sectionsOf({ recipe: '{' }, { recipe: '' }).get('recipes') ?? '', /do not differ/);
  });
  test('runs that have told nothing yet', () => {
    const nothing: RunFiles = { lines: [], status: null, diagnosis: null };
    const sections = sectionsOf(nothing, nothing);
    assert.match(sections.get('curves') ?? '', /No step/);
    assert.match(sections.get('metrics') ?? '', /first<\/a><\/th><td>–/);
  });
});
