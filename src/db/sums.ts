/** The token columns; disjoint, so their sum is the total. */
export const TOKEN_BUCKETS = [
  'inputUncachedTokens',
  'cacheReadTokens',
  'cacheWriteTokens',
  'outputTextTokens',
  'reasoningTokens',
  'audioTokens',
] as const;

/** The columns that rows and rollups share and that add up. */
export const SUMMED = [
  ...TOKEN_BUCKETS,
  'costNano',
  'providerCostNano',
  'bytesIn',
  'bytesOut',
  'totalUs',
] as const;

/** One sum per column, null while nothing is known. */
export type Sums = Record<(typeof SUMMED)[number], number | null>;

/** The sums of nothing. */
export function unknownSums(): Sums {
  return Object.fromEntries(SUMMED.map((name) => [name, null])) as Sums;
}

/** Unknown plus unknown is unknown; unknown plus a number is the number. */
export function plus(left: number | null, right: number | null): number | null {
  if (left === null) return right;
  return right === null ? left : left + right;
}

/** The same in the update of an upsert: the stored sum of a column and the new one. */
export function plusStored(column: string): string {
  return `"${column}" = coalesce("${column}" + excluded."${column}", "${column}", excluded."${column}")`;
}
