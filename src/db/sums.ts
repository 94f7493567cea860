/** The token columns; disjoint, so their sum is the total. */
export const TOKEN_BUCKETS = [
  'inputUncachedTokens',
  'cacheReadTokens',
  'cacheWriteTokens',
  'outputTextTokens',
  'reasoningTokens',
  'audioTokens',
] as const;

/** How an exchange can end. */
export const OUTCOMES = ['ok', 'rejected', 'failed', 'aborted', 'truncated'] as const;

/** Counts of exchanges. They are never unknown. */
const COUNTED = [
  ...OUTCOMES,
  'exchanges',
  'totalKnown',
  'firstContentKnown',
  'usageKnown',
  'costKnown',
  'savingsKnown',
] as const;

/** Sums over exchanges, unknown until one exchange knew. */
const SUMMED = [
  ...TOKEN_BUCKETS,
  'costNano',
  'providerCostNano',
  'savingsNano',
  'bytesIn',
  'bytesOut',
  'totalUs',
  'streamedTokens',
  'streamedUs',
  'differenceKnown',
  'differenceNano',
] as const;

/**
 * Everything that adds up. `summaries.figures` has them in this order: a new one comes last of all, and none goes away.
 */
export const FIGURES = [...COUNTED, ...SUMMED] as const;

export type Figure = (typeof FIGURES)[number];

/** One number for each figure, in their order; NaN for unknown. */
export type Figures = Float64Array;

const positions = new Map<string, number>(FIGURES.map((name, position) => [name, position]));

const NOTHING = new Float64Array(FIGURES.length).fill(Number.NaN).fill(0, 0, COUNTED.length);

/** The figures of nothing. */
export function noFigures(): Figures {
  return NOTHING.slice();
}

/** Makes figures those of nothing again. */
export function clearFigures(figures: Figures): void {
  figures.set(NOTHING);
}

/** Unknown plus unknown is unknown; unknown plus a number is the number. */
export function addFigures(to: Figures, from: Figures): void {
  for (let position = 0; position < FIGURES.length; position += 1) {
    const value = from[position] ?? Number.NaN;
    if (Number.isNaN(value)) continue;
    const before = to[position] ?? Number.NaN;
    to[position] = Number.isNaN(before) ? value : before + value;
  }
}

/** Adds to one figure; null and NaN are unknown. */
export function addFigure(to: Figures, name: Figure, value: number | null): void {
  const position = positions.get(name) ?? -1;
  const before = to[position];
  if (value === null || before === undefined) return;
  to[position] = Number.isNaN(before) ? value : before + value;
}

/** One figure, null when it is unknown. */
export function figure(figures: Figures, name: Figure): number | null {
  const value = figures[positions.get(name) ?? -1];
  return value === undefined || Number.isNaN(value) ? null : value;
}

/** Unknown plus unknown is unknown; unknown plus a number is the number. */
export function plus(left: number | null, right: number | null): number | null {
  if (left === null) return right;
  return right === null ? left : left + right;
}
