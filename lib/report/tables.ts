/** Plain-text tables. */

/** Columns as wide as their content; numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const text = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? formatNumber(cell) : cell)));
  const widths = header.map((title, column) =>
    Math.max(title.length, ...text.map((row) => (row[column] ?? '').length)),
  );
  const numeric = header.map((_, column) => rows.every((row) => typeof row[column] === 'number'));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        numeric[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [line(header), ...text.map(line)].join('\n');
}

function formatNumber(value: number): string {
  if (value === -1) return '–'; // undefined metric: no truth of this kind
  return Number.isInteger(value) ? String(value) : value.toFixed(3);
}

/** AP by class, and of a diagnosis the score threshold of the highest F1; -1 shows as a dash. */
export function classTable(
  perClass: readonly Record<string, unknown>[],
  curves: readonly { name: string; best: { score: number } }[] = [],
): string {
  const number = (value: unknown) => (typeof value === 'number' ? value : -1);
  const best = new Map(curves.map(({ name, best: { score } }) => [name, score]));
  return table(
    ['class', 'truths', 'AP', 'AP50', 'AP75', ...(best.size > 0 ? ['best score'] : [])],
    perClass.map((row) => [
      String(row.name),
      number(row.truths),
      number(row.ap),
      number(row.ap50),
      number(row.ap75),
      ...(best.size > 0 ? [number(best.get(String(row.name)))] : []),
    ]),
  );
}
