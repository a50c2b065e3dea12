import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Chart, chart } from '../../../../lib/report/html/chart.ts';
import { palette, style } from '../../../../lib/report/html/style.ts';
import type { Point } from '../../../../lib/report/run/curve.ts';
import { hostile } from '../run-folder.ts';

const down: Point[] = [
  [1, 4],
  [2, 3],
  [3, 2],
];
const drawn = (more: Partial<Chart> = {}) =>
  String(chart({ title: 'Loss', series: [{ name: 'total', points: down }], ...more }) ?? '');
const places = (svg: string) =>
  (/class="line series-0" d="M([^"]+)"/.exec(svg)?.[1] ?? '')
    .split('L')
    .map((place) => place.split(' ').map(Number));

describe('a chart', () => {
  test('later is further right, less is further down', () => {
    const [a, b, c] = places(drawn()) as [number, number][];
    assert.ok(a && b && c && a[0] < b[0] && b[0] < c[0] && a[1] < b[1] && b[1] < c[1]);
    assert.ok(Math.abs(b[0] - a[0] - (c[0] - b[0])) < 0.2);
  });
  test('says the same in words and as a table', () => {
    assert.match(
      drawn(),
      /aria-label="Loss: total from 4 at step 1 to 2 at step 3"|aria-label="Loss: total from 4 at step 1 to 2 at 3"/,
    );
    assert.match(drawn(), /<summary>Loss as a table/);
    assert.match(drawn(), /<th scope="row" class="number">2<\/th><td class="number">3<\/td>/);
  });
  test('its table is short, with the ends, and dashes where a curve has not begun', () => {
    const long = Array.from({ length: 500 }, (_, i): Point => [i + 1, i]);
    const text = drawn({
      series: [
        { name: 'a', points: long },
        { name: 'b', points: [[400, 7]] },
      ],
    });
    const rows = [
      ...text.matchAll(
        /<tr><th scope="row" class="number">([\d.]+)<\/th><td class="number">([\d.]+)<\/td><td class="number">([^<]+)</g,
      ),
    ];
    assert.equal(rows.length, 25);
    assert.deepEqual(rows[0]?.slice(1), ['1', '0', '–']);
    assert.deepEqual(rows.at(-1)?.slice(1), ['500', '499', '7']);
  });
  test('a curve of one point is a dot', () => {
    assert.match(drawn({ series: [{ name: 'a', points: [[5, 1]] }] }), /<circle class="series-0"/);
    assert.doesNotMatch(drawn(), /<circle/);
  });
  test('far apart positive values are on a logarithmic axis, which is said; fixed bounds are kept', () => {
    const far: Point[] = [
      [1, 0.001],
      [2, 10],
    ];
    assert.match(drawn({ series: [{ name: 'a', points: far }] }), /Loss \(logarithmic\)/);
    assert.doesNotMatch(drawn({ series: [{ name: 'a', points: far }], y: [0, 10] }), /logarithmic/);
  });
  test('values for the reader by keys stand beside their places', () => {
    const data = JSON.parse(/<script type="application\/json">(.*)<\/script>/.exec(drawn())?.[1] ?? '');
    assert.deepEqual(
      data.series[0].points.map((p: unknown[]) => p.slice(0, 2)),
      [
        [1, '4'],
        [2, '3'],
        [3, '2'],
      ],
    );
    assert.deepEqual(
      data.series[0].points.map((p: unknown[]) => p.slice(2)),
      places(drawn()),
    );
  });
  test('nothing to draw is no chart; an empty curve is no line', () => {
    assert.equal(chart({ title: 't', series: [{ name: 'a', points: [] }] }), null);
    assert.equal(
      [
        ...drawn({
          series: [
            { name: 'a', points: [] },
            { name: 'b', points: down },
          ],
        }).matchAll(/class="line/g),
      ].length,
      1,
    );
  });
  test('names of whatever kind break nothing', () => {
    const text = drawn({ title: hostile, series: [{ name: hostile, points: down }] });
    assert.doesNotMatch(text, /<img/);
    assert.equal([...text.matchAll(/<script/g)].length, 1);
    assert.doesNotMatch(
      drawn({
        series: [
          {
            name: 'a',
            points: [
              [1, 5],
              [2, 5],
            ],
          },
        ],
      }),
      /NaN|Infinity/,
    );
  });
});

/** WCAG 2: relative luminance of #rrggbb. */
function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

describe('colours', () => {
  test('curves stand out from their ground, light and dark', () => {
    for (const [ground, colours] of [
      ['#ffffff', palette.light],
      ['#14171a', palette.dark],
    ] as const)
      for (const colour of colours) assert.ok(contrast(ground, colour) >= 3, `${colour} on ${ground}`);
    assert.ok(style.includes('--back:#fff') && style.includes('--back:#14171a'));
  });
  test('the measure knows black on white', () => assert.equal(contrast('#000000', '#ffffff'), 21));
});
