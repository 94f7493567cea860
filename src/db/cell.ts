import {
  addValue,
  clearHistogram,
  createHistogram,
  encodeHistogram,
  type Histogram,
  mergeEncoded,
  mergeHistogram,
} from './histogram.js';
import type { AttemptRow, ExchangeRow } from './rows.js';
import { addFigure, addFigures, clearFigures, type Figures, noFigures, plus, TOKEN_BUCKETS } from './sums.js';

/** The numbers of one point of a time series. */
export interface Point {
  figures: Figures;
  total: Histogram;
  firstContent: Histogram;
}

/** Everything that is summed for one group of exchanges, and of attempts made there. */
export interface Cell extends Point {
  /** How many exchanges for each `outcome/end_reason`, and how many attempts for each `decision/reason`. */
  counts: Map<string, number>;
}

/** A cell as it is stored. */
export interface StoredCell {
  figures: Figures;
  /** A JSON object. */
  counts: string;
  total: Uint8Array;
  firstContent: Uint8Array;
}

/** What is summed of an exchange. */
export type Summed = Pick<
  ExchangeRow,
  | 'outcome'
  | 'endReason'
  | 'streaming'
  | (typeof TOKEN_BUCKETS)[number]
  | 'costNano'
  | 'providerCostNano'
  | 'dearestCostNano'
  | 'firstContentUs'
  | 'lastByteUs'
  | 'totalUs'
  | 'bytesIn'
  | 'bytesOut'
>;

/** What is counted of an attempt. */
export type Counted = Pick<AttemptRow, 'decision' | 'reason'>;

/** A cell of nothing. */
export function createCell(): Cell {
  return { ...createPoint(), counts: new Map() };
}

/** A point of nothing. */
export function createPoint(): Point {
  return { figures: noFigures(), total: createHistogram(), firstContent: createHistogram() };
}

/** Makes a point one of nothing again. */
export function clearPoint({ figures, total, firstContent }: Point): void {
  clearFigures(figures);
  clearHistogram(total);
  clearHistogram(firstContent);
}

/** Counts one exchange. */
export function addExchange({ figures, counts, total, firstContent }: Cell, row: Summed): void {
  addFigure(figures, 'exchanges', 1);
  addFigure(figures, row.outcome ?? 'failed', 1);
  if (TOKEN_BUCKETS.some((name) => row[name] !== null)) addFigure(figures, 'usageKnown', 1);
  if (row.costNano !== null) addFigure(figures, 'costKnown', 1);
  for (const name of TOKEN_BUCKETS) addFigure(figures, name, row[name]);
  addFigure(figures, 'costNano', row.costNano);
  addFigure(figures, 'providerCostNano', row.providerCostNano);
  addFigure(figures, 'bytesIn', row.bytesIn);
  addFigure(figures, 'bytesOut', row.bytesOut);
  addFigure(figures, 'totalUs', row.totalUs);
  addSavings(figures, row);
  addDifference(figures, row);
  addSpeed(figures, row);
  count(counts, `${row.outcome}/${row.endReason}`, 1);
  if (row.totalUs !== null) {
    addFigure(figures, 'totalKnown', 1);
    addValue(total, row.totalUs);
  }
  if (row.firstContentUs !== null) {
    addFigure(figures, 'firstContentKnown', 1);
    addValue(firstContent, row.firstContentUs);
  }
}

function addSavings(figures: Figures, { dearestCostNano, costNano }: Summed): void {
  if (dearestCostNano === null || costNano === null) return;
  addFigure(figures, 'savingsKnown', 1);
  addFigure(figures, 'savingsNano', dearestCostNano - costNano);
}

function addDifference(figures: Figures, { providerCostNano, costNano }: Summed): void {
  if (providerCostNano === null || costNano === null) return;
  addFigure(figures, 'differenceKnown', 1);
  addFigure(figures, 'differenceNano', providerCostNano - costNano);
}

/** Before the first content nothing streams, so the speed of a stream is measured after it. */
function addSpeed(figures: Figures, row: Summed): void {
  const tokens = plus(row.outputTextTokens, row.reasoningTokens);
  if (row.streaming !== true || tokens === null) return;
  if (row.firstContentUs === null || row.lastByteUs === null || row.lastByteUs <= row.firstContentUs) return;
  addFigure(figures, 'streamedTokens', tokens);
  addFigure(figures, 'streamedUs', row.lastByteUs - row.firstContentUs);
}

/** Counts one attempt. */
export function addAttempt({ counts }: Cell, { decision, reason }: Counted): void {
  count(counts, `${decision}/${reason ?? ''}`, 1);
}

/** Adds what another cell holds. */
export function addCell(cell: Cell, other: Cell): void {
  addFigures(cell.figures, other.figures);
  for (const [name, times] of other.counts) count(cell.counts, name, times);
  mergeHistogram(cell.total, other.total);
  mergeHistogram(cell.firstContent, other.firstContent);
}

/** Adds a stored cell. */
export function addStored(cell: Cell, stored: StoredCell): void {
  addToPoint(cell, stored);
  addCounts(cell.counts, stored.counts);
}

/** Adds the numbers of a stored cell. */
export function addToPoint(point: Point, stored: StoredCell): void {
  addFigures(point.figures, stored.figures);
  mergeEncoded(point.total, stored.total);
  mergeEncoded(point.firstContent, stored.firstContent);
}

/** The form in which a cell is stored. */
export function storedCell({ figures, counts, total, firstContent }: Cell): StoredCell {
  return {
    figures,
    counts: JSON.stringify(Object.fromEntries(counts)),
    total: encodeHistogram(total),
    firstContent: encodeHistogram(firstContent),
  };
}

function addCounts(counts: Map<string, number>, text: string): void {
  if (text === '{}') return;
  const stored: Record<string, number> = JSON.parse(text);
  // `JSON.parse` makes own properties only. To loop over them makes no arrays, for thousands of cells.
  for (const name in stored) count(counts, name, stored[name] ?? 0);
}

function count(counts: Map<string, number>, name: string, times: number): void {
  counts.set(name, (counts.get(name) ?? 0) + times);
}
