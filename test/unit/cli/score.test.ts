import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { run, temporaryFolder } from '../../faults/command.ts';
import { type Box, writeCoco, writeResults } from './files.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

const gt = join(folder, 'truth.json');
const dt = join(folder, 'found.json');
const truths: Box[] = [
  { image: 1, category: 3, box: [4, 4, 20, 20] },
  { image: 1, category: 7, box: [30, 10, 24, 30] },
  { image: 2, category: 3, box: [8, 2, 40, 40] },
];
writeCoco(gt, 2, truths);

function scoreOf(detections: Box[], ...more: string[]) {
  writeResults(dt, detections);
  const end = run(['score', '--gt', gt, '--dt', dt, '--json', ...more]);
  assert.equal(end.status, 0, end.stderr);
  return JSON.parse(end.stdout) as {
    type: string;
    stats: number[];
    perClass: { name: string; ap: number; truths: number }[];
  };
}

describe('score', () => {
  test('exact detections: twelve numbers in the order of pycocotools, all 1 where defined', () => {
    const { type, stats, perClass } = scoreOf(truths);
    assert.equal(type, 'bbox');
    assert.equal(stats.length, 12);
    // AP, AP50, AP75, then small, medium, large: two truths are below 32², one above, none above 96².
    for (const [i, expected] of [1, 1, 1, 1, 1, -1].entries())
      assert.ok(Math.abs((stats[i] ?? 0) - expected) < 1e-9, `stat ${i}: ${stats[i]}`);
    assert.deepEqual(
      perClass.map(({ name, truths: n }) => [name, n]),
      [
        ['cat', 2],
        ['dog', 1],
      ],
    );
  });
  test('one of two classes found: half', () => {
    const { stats } = scoreOf(truths.filter(({ category }) => category === 3));
    assert.ok(Math.abs((stats[0] ?? 0) - 0.5) < 1e-9);
  });
  test('a box of IoU 0.6 counts at three of ten thresholds', () => {
    // 12 × 20 of 20 × 20: IoU 0.6, which is found at 0.50, 0.55 and 0.60.
    const { perClass } = scoreOf([{ image: 1, category: 7, box: [30, 10, 24, 18] }]);
    assert.ok(Math.abs((perClass[1]?.ap ?? 0) - 0.3) < 1e-9, String(perClass[1]?.ap));
  });
  test('nothing found is zero', () => {
    assert.equal(scoreOf([]).stats[0], 0);
  });
  test('the Pascal metric: mean of ten, AP50, AP75; both interpolations', () => {
    for (const interpolation of ['area', '11point']) {
      const { stats } = scoreOf(truths, '--format', 'voc', '--interpolation', interpolation);
      for (const value of stats.slice(0, 3)) assert.ok(Math.abs(value - 1) < 1e-6, String(stats));
    }
  });
  test('for people: names, a dash where undefined, a table of classes', () => {
    writeResults(dt, truths);
    const end = run(['score', '--gt', gt, '--dt', dt]);
    assert.match(end.stdout, /^AP {2,}1\.0000$/m);
    assert.match(end.stdout, /^AP large {2,}–$/m);
    assert.match(end.stdout, /^cat .*2/m);
  });
});

describe('what score refuses', () => {
  const cases: [string, () => void, RegExp][] = [
    ['a result file that is cut off', () => writeFileSync(dt, '[{"image_id": 1,'), /found\.json/],
    ['an unknown image', () => writeResults(dt, [{ image: 99, category: 3, box: [0, 0, 1, 1] }]), /99/],
    ['a result file that is an object', () => writeFileSync(dt, '{}'), /found\.json/],
    ['a missing result file', () => rmSync(dt), /found\.json/],
  ];
  for (const [what, make, pattern] of cases) {
    test(`${what}: exit 3, and the file or number is named`, () => {
      make();
      const end = run(['score', '--gt', gt, '--dt', dt]);
      assert.equal(end.status, 3, end.stderr);
      assert.match(end.stderr, pattern);
      assert.equal(end.stdout, '');
    });
  }
  test('an unknown type: exit 2', () => {
    assert.equal(run(['score', '--gt', gt, '--dt', dt, '--type', 'mask']).status, 2);
  });
});
