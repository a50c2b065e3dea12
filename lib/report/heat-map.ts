/** A heat map as a self-contained SVG picture. */

export interface HeatMap {
  title: string;
  /** What the rows are, and the number of each. */
  rowTitle: string;
  rows: readonly number[];
  columnTitle: string;
  columns: readonly number[];
  /** By row, then by column. What is not finite, or −1 (an undefined metric), stays grey. */
  values: readonly (readonly number[])[];
}

const cell = { width: 72, height: 40 };
const margin = { left: 84, top: 64, right: 24, bottom: 56 };

/** Dark violet, teal, light yellow: grows lighter evenly, also in grey and for the colour-blind. */
const stops = [
  [68, 1, 84],
  [33, 145, 140],
  [253, 231, 37],
] as const;

export function heatMap({ title, rowTitle, rows, columnTitle, columns, values }: HeatMap): string {
  const known = values.flat().filter(defined);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const share = (value: number) => (high > low ? (value - low) / (high - low) : 0.5);
  const width = margin.left + columns.length * cell.width + margin.right;
  const height = margin.top + rows.length * cell.height + margin.bottom;
  const parts = [
    text(width / 2, 28, title, 'font-size="16"'),
    text(margin.left + (columns.length * cell.width) / 2, height - 14, columnTitle),
    text(22, margin.top + (rows.length * cell.height) / 2, rowTitle, 'transform-turn'),
    ...columns.map((value, c) => text(middle(margin.left, c, cell.width), height - 36, number(value))),
    ...rows.map((value, r) => text(margin.left - 24, middle(margin.top, r, cell.height) + 5, number(value))),
  ];
  for (const [r, row] of values.entries()) {
    for (const [c, value] of row.entries()) {
      const [x, y] = [margin.left + c * cell.width, margin.top + r * cell.height];
      const fill = defined(value) ? colour(share(value)) : '#bbb';
      parts.push(`<rect x="${x}" y="${y}" width="${cell.width}" height="${cell.height}" fill="${fill}"/>`);
      const ink = defined(value) && share(value) < 0.6 ? '#fff' : '#000';
      const label = defined(value) ? value.toFixed(3) : '–';
      parts.push(text(x + cell.width / 2, y + cell.height / 2 + 5, label, `fill="${ink}"`));
    }
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="13">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

const defined = (value: number) => Number.isFinite(value) && value !== -1;
const middle = (start: number, index: number, size: number) => start + (index + 0.5) * size;
const number = (value: number) => String(Number(value.toFixed(3)));

function text(x: number, y: number, content: string, style = ''): string {
  const turned = style === 'transform-turn' ? `transform="rotate(-90 ${x} ${y})"` : style;
  const escaped = content.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  return `<text x="${x}" y="${y}" text-anchor="middle" ${turned}>${escaped}</text>`;
}

/** `share` from 0 to 1 along the stops. */
function colour(share: number): string {
  const place = share * (stops.length - 1);
  const from = Math.min(Math.floor(place), stops.length - 2);
  const [a, b] = [stops[from], stops[from + 1]] as [readonly number[], readonly number[]];
  const mixed = a.map((value, i) => Math.round(value + (place - from) * ((b[i] ?? 0) - value)));
  return `rgb(${mixed.join(',')})`;
}
