import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type LineChart, lineChart } from '../../../lib/report/line-chart.ts';

const chart = (more: Partial<LineChart> = {}) =>
  lineChart({
    title: 'loss',
    xTitle: 'lr',
    yTitle: 'value',
    lines: [
      {
        title: 'each step',
        colour: '#123456',
        points: [
          [1e-4, 2],
          [1e-3, 1],
          [1e-2, 3],
        ],
      },
    ],
    ...more,
  });
const path = (svg: string) => /<path d="(M[^"]+)" fill="none" stroke="#123456"/.exec(svg)?.[1] ?? '';
const places = (svg: string) =>
  path(svg)
    .slice(1)
    .split('L')
    .map((place) => place.split(' ').map(Number) as [number, number]);

describe('a line chart', () => {
  test('equal factors are equal distances, and larger values are higher', () => {
    const [a, b, c] = places(chart()) as [[number, number], [number, number], [number, number]];
    assert.ok(Math.abs(b[0] - a[0] - (c[0] - b[0])) < 0.02);
    assert.ok(c[1] < a[1] && a[1] < b[1]);
  });
  test('a tick for each power of ten', () => {
    for (const tick of ['1e-4', '1e-3', '1e-2']) assert.match(chart(), new RegExp(`>${tick}<`));
  });
  test('the mark and titles are there; text is escaped', () => {
    const svg = chart({ title: 'a < b & c', mark: { x: 1e-3, title: '0.0010' } });
    assert.match(svg, /a &lt; b &amp; c/);
    assert.match(svg, />0.0010</);
    assert.match(svg, />each step</);
  });
  test('what is not finite, or not above 0 on the x axis, is left out', () => {
    const lines = [
      {
        title: 't',
        colour: '#123456',
        points: [
          [0, 1],
          [1e-3, Number.NaN],
          [1e-3, 1],
          [1e-2, 2],
        ] as [number, number][],
      },
    ];
    assert.equal(places(chart({ lines })).length, 2);
    assert.doesNotMatch(chart({ lines }), /NaN|Infinity/);
  });
  test('nothing at all is a picture too', () => {
    assert.doesNotMatch(chart({ lines: [] }), /NaN|Infinity/);
  });
});
