import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { metricTitle } from '../../../../lib/report/html/headline.ts';
import { reportPage, reportSections, writeWhole } from '../../../../lib/report/html/report.ts';
import type { Diagnosis } from '../../../../lib/report/run/diagnosis.ts';
import { RunReader } from '../../../../lib/report/run/run-reader.ts';
import { temporaryFolder } from '../../../faults/command.ts';
import {
  diagnosisOf,
  evalLine,
  hostile,
  type RunFiles,
  statusOf,
  stepLine,
  writeRun,
} from '../run-folder.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

let made = 0;
function runOf(files: RunFiles = {}): RunReader {
  const run = new RunReader(writeRun(join(root, `run-${++made}`), files));
  run.refresh();
  return run;
}
const sectionsOf = (run: RunReader) =>
  new Map(reportSections(run, () => null).map(({ id, body }) => [id, String(body)]));

describe('the order', () => {
  test('what matters most is first', () => {
    assert.deepEqual(
      [...sectionsOf(runOf()).keys()],
      ['headline', 'curves', 'classes', 'sizes', 'precision', 'confusion', 'errors', 'pictures', 'recipe'],
    );
  });
  test('what is not there has no section', () => {
    const bare = runOf({ lines: [], status: null, diagnosis: null, recipe: '', pictures: [] });
    assert.deepEqual([...sectionsOf(bare).keys()], ['headline', 'curves']);
    assert.match(sectionsOf(bare).get('headline') ?? '', /Not measured yet/);
  });
});

test('a folder that cannot be read is told with the warnings', () => {
  const run = runOf();
  run.trouble = `EACCES: ${hostile}`;
  const body = sectionsOf(run).get('warnings') ?? '';
  assert.match(body, /cannot be read \(EACCES: /);
  assert.ok(!body.includes(hostile));
});

test('warnings are told once with how often, bad pictures by name; both are escaped', () => {
  const line = (type: string, step: number, more: object) => JSON.stringify({ type, step, ...more });
  const bad = (split: string, ...files: string[]) => ({
    split,
    samples: files.map((file) => ({ file, code: 'HD_DATA_IMAGE', message: `${file} is cut off` })),
  });
  const lines = [
    ...[3, 5].map((step) => line('warning', step, { message: `not saved: ${hostile}` })),
    line('warning', 5, { message: 'the batch is cut' }),
    line('bad-samples', 4, bad('train', 'a.jpg', hostile)),
    line('bad-samples', 6, bad('train', 'a.jpg')), // named again after a resume
    line('bad-samples', 6, bad('val', 'a.jpg')),
  ];
  const body = sectionsOf(runOf({ lines })).get('warnings') ?? '';
  assert.ok(!body.includes('<img'));
  const rows = body.split('</tr>').map((row) =>
    row
      .replace(/<[^>]+>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim(),
  );
  assert.equal(rows.filter((row) => row.startsWith('not saved:')).length, 1);
  assert.ok(
    rows.some((row) => row.startsWith('not saved:') && row.endsWith('3–5 2')),
    rows.join('\n'),
  );
  assert.ok(rows.some((row) => row.endsWith('the batch is cut 5 1')));
  for (const split of ['train', 'val'])
    assert.equal(rows.filter((row) => row.endsWith(`a.jpg data.${split} a.jpg is cut off`)).length, 1);
  const many = Array.from({ length: 60 }, (_, i) => line('bad-samples', 1, bad('train', `p${i}.jpg`)));
  const long = sectionsOf(runOf({ lines: many })).get('warnings') ?? '';
  assert.match(long, /p49\.jpg/);
  assert.doesNotMatch(long, /p50\.jpg/);
  assert.match(long, /10 more stand in metrics\.jsonl/);
});

describe('the headline', () => {
  const headlineOf = (files: RunFiles = {}) =>
    (sectionsOf(runOf(files)).get('headline') ?? '').replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ');
  test('the best and the last, how far, how long', () => {
    const text = headlineOf();
    assert.match(text, /training written 2026-01-02 03:04:05 UTC/);
    assert.match(text, /Best AP 0\.500 at step 200 Last AP 0\.400 at step 300 AP50 of the best 0\.600/);
    assert.match(text, /Steps 300 of 1,200 Elapsed 3 min 05 s To go 10 min 00 s/);
    assert.match(text, /Waiting for data 25 %/);
  });
  test('the metric that the recipe chooses by', () => {
    assert.match(headlineOf({ status: statusOf({ best: 'ap75' }) }), /Best AP75 0\.400/);
  });
  test('how it ended', () => {
    const of = (status: Parameters<typeof statusOf>[0]) => headlineOf({ status: statusOf(status) });
    assert.match(of({ state: 'done', step: 1200 }), /^ ?done written/);
    assert.doesNotMatch(of({ state: 'done' }), /To go/);
    assert.match(of({ state: 'done', note: 'stopped early: 5 evaluations' }), /stopped early: 5 evaluations/);
    assert.match(of({ state: 'interrupted' }), /interrupted at step 300 of 1,200/);
    assert.match(
      of({ state: 'failed', note: 'no space left' }),
      /failed at step 300 of 1,200: no space left/,
    );
  });
  test('steps that diverged are not kept quiet', () => {
    assert.match(headlineOf({ lines: ['{"type":"diverged","step":4}'] }), /1 steps were left out/);
  });
});

describe('sections', () => {
  test('a curve for everything that was told', () => {
    const text = sectionsOf(runOf()).get('curves') ?? '';
    for (const title of [
      'Loss',
      'Precision',
      'Recall',
      'Learning rate',
      'Pictures a second',
      'Memory',
      'Gradient norm',
    ])
      assert.match(text, new RegExp(`<figcaption>${title}`));
    assert.match(text, /waiting for data from 25 %/);
    assert.match(text, /resident memory from 1\.5 GB/);
    assert.ok(text.indexOf('>total<') < text.indexOf('>box<'));
  });
  test('the weakest class first, what was not measured last', () => {
    const lines = [evalLine(1, 0.9, true, ['unseen', 'strong', 'weak'])];
    const text = sectionsOf(runOf({ lines })).get('classes') ?? '';
    assert.deepEqual(
      [...text.matchAll(/<th scope="row">(\w+)</g)].map(([, name]) => name),
      ['weak', 'strong', 'unseen'],
    );
    assert.match(
      text,
      /unseen<\/th><td class="number">0<\/td><td class="number">0<\/td><td class="number">–/,
    );
  });
  test('sizes from the metrics and from the diagnosis', () => {
    const text = sectionsOf(runOf()).get('sizes') ?? '';
    assert.match(text, /small<\/th><td class="number">–/);
    assert.match(
      text,
      /small<\/th><td class="number">20<\/td><td class="number">5<\/td><td class="number">25 %/,
    );
    assert.match(text, /large<\/th><td class="number">0<\/td><td class="number">0<\/td><td class="number">–/);
  });
  describe('F1 over the score', () => {
    const precisionOf = (diagnosis: Diagnosis) => sectionsOf(runOf({ diagnosis })).get('precision') ?? '';
    test('a chart beside that of precision, of the same classes in the same colours', () => {
      const text = precisionOf(diagnosisOf());
      const [, before = '', beside = ''] = text.split('<figure class="chart">');
      assert.match(before, /<figcaption>Precision over recall at IoU 0\.5</);
      assert.match(beside, /<figcaption>F1 over the score threshold at IoU 0\.5</);
      const legend = (chart: string) => [...chart.matchAll(/<li class="(series-\d)">.*?<\/svg>(.*?)<\/li>/g)];
      const names = (chart: string) => legend(chart).map(([, colour, name]) => [colour, name]);
      assert.deepEqual(names(beside), [
        ['series-0', 'mean of all classes'],
        ['series-1', 'cat'],
        ['series-2', 'dog'],
      ]);
      assert.deepEqual(names(beside), names(before));
      assert.match(beside, /aria-label="[^"]*cat from 0\.720 at score 0 to 0\.000 at 1/);
      assert.match(beside, /F1 over the score threshold at IoU 0\.5 as a table/);
    });
    test('the best threshold by class and for all together', () => {
      const text = precisionOf(diagnosisOf());
      assert.match(
        text,
        /at a score of 0\.40 F1 in the mean of the classes is highest, 0\.889 \(precision 1\.000, recall 0\.800\)\./,
      );
      const cells = (...values: string[]) =>
        values.map((value) => `<td class="number">${value}</td>`).join('');
      for (const [name, ...values] of [
        ['all classes, in the mean', '0.40', '0.889', '1.000', '0.800'],
        ['cat', '0.40', '0.947', '1.000', '0.900'],
        ['dog', '0.40', '0.837', '1.000', '0.720'],
      ] as const)
        assert.ok(text.includes(`<th scope="row">${name}</th>${cells(...values)}`), name);
    });
    test('of one class there is no mean beside it', () => {
      const text = precisionOf(diagnosisOf(['cat']));
      assert.doesNotMatch(text, /mean of all classes|in the mean/);
      assert.match(text, /at a score of 0\.40 F1 is highest/);
    });
    test('a class of which nothing is found has no best score', () => {
      const nothing = { score: -1, precision: -1, recall: 0, f1: 0 };
      const plain = diagnosisOf(['cat']);
      const text = precisionOf({
        ...plain,
        curves: plain.curves.map((curve) => ({ ...curve, best: nothing })),
        mean: { ...plain.mean, best: nothing },
      });
      assert.match(text, /cat<\/th><td class="number">–<\/td><td class="number">0\.000</);
      assert.match(text, /threshold for <code>predict --score<\/code>\.</);
    });
    test('without any truth there is nothing to draw', () => {
      const diagnosis = diagnosisOf();
      for (const { precision } of diagnosis.curves) precision.fill(-1);
      assert.equal(
        precisionOf(diagnosis).replace(/<p class="quiet">.*?<\/p>/, ''),
        '<p>No class has truths.</p>',
      );
    });
    test('stands in the table of classes too, when it is of the same evaluation', () => {
      const classesOf = (diagnosis: Diagnosis | null) =>
        sectionsOf(runOf({ diagnosis })).get('classes') ?? '';
      const text = classesOf(diagnosisOf());
      assert.match(
        text,
        /<th scope="col" class="number">AR<\/th><th scope="col" class="number">best score<\/th>/,
      );
      assert.match(text, /dog<\/th>.*<td class="number">0\.40<\/td><\/tr>/);
      for (const other of [null, diagnosisOf(undefined, 200)])
        assert.doesNotMatch(classesOf(other), /best score/);
      assert.match(classesOf(diagnosisOf(['cat', 'cow'])), /dog<\/th>.*<td class="number">–<\/td><\/tr>/);
    });
  });
  test('of many classes few curves, and it says so; classes without truths have none', () => {
    const names = Array.from({ length: 30 }, (_, i) => `c${i}`);
    const diagnosis = diagnosisOf(names);
    (diagnosis.curves[0] as { precision: number[] }).precision.fill(-1);
    const text = sectionsOf(runOf({ diagnosis })).get('precision') ?? '';
    assert.equal([...text.matchAll(/class="line /g)].length, 2 * 8);
    assert.match(text, /Of 29 classes the four weakest/);
  });
  test('the matrix: rows are the truth, the background is last; the worst are listed', () => {
    const diagnosis = {
      ...diagnosisOf(),
      confusion: [
        [8, 2, 0],
        [0, 5, 0],
        [1, 0, 0],
      ],
    };
    const text = sectionsOf(runOf({ diagnosis })).get('confusion') ?? '';
    assert.match(
      text,
      /<th scope="row">cat<\/th><td class="number"><span class="heat" style="--share:0\.80">8</,
    );
    const worst = text.slice(text.indexOf('Most frequent'));
    assert.match(
      worst,
      /cat<\/th><td>dog<\/td><td class="number">2<.*background<\/th><td>cat<\/td><td class="number">1</s,
    );
    assert.doesNotMatch(worst, />0</);
  });
  test('a matrix of many classes shows those that are confused', () => {
    const names = Array.from({ length: 40 }, (_, i) => `c${i}`);
    const confusion = Array.from({ length: 41 }, (_, r) =>
      Array.from({ length: 41 }, (_, c) => (r === c ? 9 : 0)),
    );
    (confusion[37] as number[])[38] = 5;
    const text =
      sectionsOf(runOf({ diagnosis: { ...diagnosisOf(names), confusion } })).get('confusion') ?? '';
    assert.match(text, /Of 40 classes the 24 that are confused most/);
    assert.match(text, />c37</);
    assert.ok(text.length < 100_000);
  });
  test('kinds of errors, the dearest first, with their shares', () => {
    const text = sectionsOf(runOf()).get('errors') ?? '';
    assert.match(text, /AP50 lost/);
    assert.match(
      text,
      /background<\/th><td>there is nothing<\/td><td class="number">0\.050<\/td><td class="number">7<.*35 %/,
    );
    assert.match(text, /localization.*background.*missed.*classification.*duplicate.*both/s);
    const { costs: _costs, ...without } = diagnosisOf();
    const plain = sectionsOf(runOf({ diagnosis: without })).get('errors') ?? '';
    assert.doesNotMatch(plain, /lost/);
    assert.match(plain, /background.*localization.*classification.*duplicate.*missed.*both/s);
  });
  test('changes of the recipe, then the recipe', () => {
    const sinceStart = [{ field: 'log.every', before: '50', after: '' }];
    const text = sectionsOf(runOf({ status: statusOf({ sinceStart }) })).get('recipe') ?? '';
    assert.match(
      text,
      /log\.every<\/th><td>50<\/td><td>–.*train\.lr<\/th><td>0\.01<\/td><td>0\.02.*<pre tabindex="0">train:\n {2}lr: 0\.02/s,
    );
  });
});

describe('the page', () => {
  test('asks nobody for anything, and lets no script run but its own', () => {
    const page = reportPage(runOf());
    assert.doesNotMatch(page, /(?:src|href)="(?!data:|#)/);
    assert.doesNotMatch(page, /@import|url\(/);
    const scripts = [...page.matchAll(/<script>(.*?)<\/script>/gs)].map(([, text]) => text ?? '');
    assert.equal(scripts.length, 1);
    const digest = createHash('sha256')
      .update(scripts[0] ?? '')
      .digest('base64');
    assert.ok(page.includes(`script-src &#39;sha256-${digest}&#39;`));
  });
  test('names of whatever kind break nothing', () => {
    const classes = [hostile, 'dog'];
    const page = reportPage(
      runOf({
        lines: [stepLine(1, 1, { losses: { [hostile]: 1 } }), evalLine(1, 0.5, true, classes)],
        diagnosis: diagnosisOf(classes),
        status: statusOf({ recipe: hostile, note: hostile, state: 'failed' }),
        recipe: hostile,
      }),
    );
    assert.doesNotMatch(page, /<img(?! src="data:)/);
    assert.doesNotMatch(page, /onerror="/);
    assert.equal([...page.matchAll(/<\/script>/g)].length, [...page.matchAll(/<script[ >]/g)].length);
  });
  test('a long run makes no long page', () => {
    const lines = Array.from({ length: 60_000 }, (_, i) => stepLine(i + 1, 1 + Math.random()));
    const page = reportPage(runOf({ lines, pictures: [] }));
    assert.ok(page.length < 1_500_000, `${page.length} bytes`);
  });
  test('pictures lie within up to a bound; the rest are links', () => {
    const run = runOf({ pictures: [] });
    mkdirSync(join(run.path, 'pictures', 'step-5'), { recursive: true });
    const put = (name: string, bytes: number) =>
      writeFileSync(join(run.path, 'pictures', 'step-5', name), Buffer.alloc(bytes));
    put('a.jpg', 2_000_000);
    put('b #1.jpg', 2_000_000);
    put('c.png', 1000);
    run.refresh();
    const page = reportPage(run);
    assert.ok(page.length < 4_500_000);
    assert.match(page, /<img src="data:image\/jpeg;base64,[^"]+" alt="a\.jpg after step 5/);
    assert.match(page, /<img src="data:image\/png;base64,/);
    assert.match(page, /<a href="pictures\/step-5\/b%20%231\.jpg">/);
  });
  test('it is written whole, and leaves nothing behind', () => {
    const folder = join(root, 'written');
    mkdirSync(folder);
    writeWhole(join(folder, 'report.html'), 'one');
    writeWhole(join(folder, 'report.html'), 'two');
    assert.deepEqual(readdirSync(folder), ['report.html']);
    assert.equal(readFileSync(join(folder, 'report.html'), 'utf8'), 'two');
    mkdirSync(join(folder, 'taken', 'x'), { recursive: true });
    assert.throws(() => writeWhole(join(folder, 'taken'), 'three'));
    assert.deepEqual(readdirSync(folder).sort(), ['report.html', 'taken']);
  });
});

test('metrics as people write them', () => {
  assert.deepEqual(['ap', 'ap50', 'apSmall', 'ar100', 'f1'].map(metricTitle), [
    'AP',
    'AP50',
    'AP small',
    'AR100',
    'f1',
  ]);
});
