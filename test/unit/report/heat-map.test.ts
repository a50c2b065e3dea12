import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { heatMap } from '../../../lib/report/heat-map.ts';

const map = (values: number[][], title = 'AP') =>
  heatMap({
    title,
    rowTitle: 'rows',
    rows: values.map((_, r) => r / 2),
    columnTitle: 'columns',
    columns: (values[0] ?? []).map((_, c) => c / 3),
    values,
  });
const fills = (svg: string) =>
  [...svg.matchAll(/<rect x=.*? fill="(.*?)"/g)].map(([, fill]) => fill as string);
const brightness = (fill: string) =>
  (fill.match(/\d+/g) ?? [])
    .map(Number)
    .reduce((sum, value, i) => sum + value * ([0.2, 0.7, 0.1][i] ?? 0), 0);

describe('heat map', () => {
  test('a cell a value, in rows; the larger the lighter, whatever the range', () => {
    const svg = map([
      [0.31, 0.3, 0.35],
      [0.33, 0.36, 0.32],
    ]);
    const shades = fills(svg).map(brightness);
    assert.equal(shades.length, 6);
    const order = (values: number[]) =>
      values
        .map((value, i) => ({ value, i }))
        .sort((a, b) => a.value - b.value)
        .map(({ i }) => i);
    assert.deepEqual(order(shades), [1, 0, 5, 3, 2, 4]);
    assert.deepEqual(
      [...svg.matchAll(/fill="#(?:fff|000)">(0\.3\d\d)</g)].map(([, label]) => label),
      ['0.310', '0.300', '0.350', '0.330', '0.360', '0.320'],
    );
  });
  test('the ends of the range have the ends of the colours; equal values the middle', () => {
    assert.deepEqual(fills(map([[0, 1]])), ['rgb(68,1,84)', 'rgb(253,231,37)']);
    assert.deepEqual(fills(map([[0.4, 0.4]])), Array(2).fill('rgb(33,145,140)'));
  });
  test('what is undefined stays grey and does not stretch the range', () => {
    const svg = map([[-1, 0.2, Number.NaN, 0.4]]);
    assert.deepEqual(fills(svg), ['#bbb', 'rgb(68,1,84)', '#bbb', 'rgb(253,231,37)']);
    assert.equal(svg.match(/>–</g)?.length, 2);
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
    assert.doesNotMatch(map([[-1]]), /NaN|Infinity|undefined/);
  });
  test('is self-contained and escapes its titles; ticks are short numbers', () => {
    const svg = map([[1, 2, 3]], 'a < b & c');
    assert.match(svg, /a &lt; b &amp; c/);
    assert.match(svg, />0\.333</);
    assert.doesNotMatch(svg.replace('http://www.w3.org/2000/svg', ''), /http|href|url\(/);
  });
});
