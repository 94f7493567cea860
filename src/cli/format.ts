const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `1.2 GB`, decimal. */
export function bytesText(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power] ?? ''}`;
}

/** `850ms`, `1.25s`; a dash when it is not known. */
export function durationText(ms: number | null): string {
  if (ms === null) return '-';
  return ms < 1000 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)}s`;
}

/** Dollars with as many decimals as small sums need; a dash when it is not known. */
export function usdText(usd: number | null): string {
  if (usd === null) return '-';
  return `$${usd !== 0 && Math.abs(usd) < 0.01 ? usd.toFixed(6) : usd.toFixed(2)}`;
}

/** `12 345`, or a dash when it is not known. */
export function countText(count: number | null): string {
  return count === null ? '-' : String(count).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** Columns as wide as their widest cell; all but the first `left` are aligned to the right. */
export function tableLines(rows: readonly (readonly string[])[], left: number): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column < left ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}
