/** One or two lines over a logarithmic x axis as a self-contained SVG picture. */

export interface LineChart {
  title: string;
  xTitle: string;
  yTitle: string;
  lines: readonly { title: string; colour: string; points: readonly (readonly [x: number, y: number])[] }[];
  /** A vertical mark. */
  mark?: { x: number; title: string } | null;
}

const size = { width: 760, height: 420 };
const margin = { left: 72, top: 52, right: 24, bottom: 56 };

/** x values are positive; what is not finite is left out. */
export function lineChart({ title, xTitle, yTitle, lines, mark = null }: LineChart): string {
  const known = lines.map((line) => ({
    ...line,
    points: line.points.filter(([x, y]) => x > 0 && Number.isFinite(x) && Number.isFinite(y)),
  }));
  const all = known.flatMap(({ points }) => points);
  const [left, right] = span(all.map(([x]) => Math.log10(x)));
  const [low, high] = span(all.map(([, y]) => y));
  const inner = {
    width: size.width - margin.left - margin.right,
    height: size.height - margin.top - margin.bottom,
  };
  const placeX = (x: number) => margin.left + ((Math.log10(x) - left) / (right - left)) * inner.width;
  const placeY = (y: number) => margin.top + (1 - (y - low) / (high - low)) * inner.height;
  const bottom = margin.top + inner.height;
  const parts: string[] = [text(size.width / 2, 26, title, 'font-size="16"')];
  for (let power = Math.ceil(left); power <= Math.floor(right); ++power) {
    const x = placeX(10 ** power);
    parts.push(`<path d="M${round(x)} ${margin.top}V${bottom}" stroke="#ddd"/>`);
    parts.push(text(x, bottom + 20, `1e${power}`));
  }
  for (let i = 0; i <= 4; ++i) {
    const value = low + ((high - low) * i) / 4;
    const y = placeY(value);
    parts.push(`<path d="M${margin.left} ${round(y)}H${size.width - margin.right}" stroke="#eee"/>`);
    parts.push(text(margin.left - 8, y + 4, value.toPrecision(3), 'text-anchor="end"'));
  }
  for (const [i, { title: name, colour, points }] of known.entries()) {
    const path = points.map(([x, y], n) => `${n === 0 ? 'M' : 'L'}${round(placeX(x))} ${round(placeY(y))}`);
    parts.push(`<path d="${path.join('')}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    parts.push(text(margin.left + 90 + 160 * i, 46, name, `fill="${colour}"`));
  }
  if (mark && mark.x > 0) {
    const x = placeX(mark.x);
    parts.push(
      `<path d="M${round(x)} ${margin.top}V${bottom}" stroke="#b00" stroke-width="2" stroke-dasharray="6 4"/>`,
      text(x, margin.top - 4, mark.title, 'fill="#b00"'),
    );
  }
  parts.push(text(margin.left + inner.width / 2, size.height - 12, xTitle));
  parts.push(
    text(
      18,
      margin.top + inner.height / 2,
      yTitle,
      `transform="rotate(-90 18 ${margin.top + inner.height / 2})"`,
    ),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" font-family="sans-serif" font-size="13">`,
    `<rect width="${size.width}" height="${size.height}" fill="#fff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

const round = (value: number) => Number(value.toFixed(2));

/** Bounds that are never equal. */
function span(values: readonly number[]): [number, number] {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!Number.isFinite(low)) return [0, 1];
  return high > low ? [low, high] : [low - 0.5, high + 0.5];
}

function text(x: number, y: number, content: string, style = ''): string {
  const anchor = style.includes('text-anchor') ? '' : 'text-anchor="middle" ';
  const escaped = content.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  return `<text x="${round(x)}" y="${round(y)}" ${anchor}${style}>${escaped}</text>`;
}
