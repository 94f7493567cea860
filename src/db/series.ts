import type { Series } from './answers.js';
import { addToPoint, clearPoint, createPoint, type Point, type StoredCell } from './cell.js';
import { averageMs, eachPercentileMs, errorRateOf, speedOf, sumOf } from './measures.js';
import { figure } from './sums.js';
import { toUsd } from './units.js';

/** A time series that is filled in the order of time. */
export interface SeriesBuilder {
  /** Adds to the point at a position, which is not before the last one. */
  add(position: number, stored: StoredCell): void;
  /** Puts a finished series in, the first point of which is at a position after the last one. */
  paste(position: number, part: Series): void;
  finish(): Series;
}

const COUNTS = ['exchanges', 'ok', 'rejected', 'failed', 'aborted', 'truncated'] as const;
const LISTS = [
  ...COUNTS,
  'error_rate',
  'input_tokens',
  'output_tokens',
  'cost_usd',
  'tokens_per_second',
] as const;
const PERCENTILES = ['p50', 'p90', 'p95', 'p99'] as const;
const INPUT = ['inputUncachedTokens', 'cacheReadTokens', 'cacheWriteTokens'] as const;
const OUTPUT = ['outputTextTokens', 'reasoningTokens'] as const;

/**
 * A series of `length` points in which nothing has happened yet. A point is summed up until the next one begins; then
 * only its numbers are kept, so that a month of hours leaves little to the garbage collector.
 */
export function createSeries(length: number): SeriesBuilder {
  const series = emptySeries(length);
  const point = createPoint();
  let current: number | null = null;

  const close = () => {
    if (current !== null) fill(series, current, point);
    clearPoint(point);
  };

  return {
    add(position, stored) {
      if (position !== current) close();
      current = position;
      addToPoint(point, stored);
    },
    paste(position, part) {
      for (const name of LISTS) place(series[name], part[name], position);
      place(series.total_ms.mean, part.total_ms.mean, position);
      for (const name of PERCENTILES) {
        place(series.total_ms[name], part.total_ms[name], position);
        place(series.first_content_ms[name], part.first_content_ms[name], position);
      }
    },
    finish() {
      close();
      return series;
    },
  };
}

function place(into: (number | null)[], part: readonly (number | null)[], from: number): void {
  for (const [position, value] of part.entries()) into[from + position] = value;
}

function fill(series: Series, at: number, point: Point): void {
  for (const name of COUNTS) series[name][at] = figure(point.figures, name) ?? 0;
  series.error_rate[at] = errorRateOf(point);
  series.input_tokens[at] = sumOf(point, INPUT);
  series.output_tokens[at] = sumOf(point, OUTPUT);
  series.cost_usd[at] = toUsd(figure(point.figures, 'costNano'));
  series.tokens_per_second[at] = speedOf(point);
  series.total_ms.mean[at] = averageMs(point);
  eachPercentileMs(point, 'total', (name, ms) => {
    series.total_ms[name][at] = ms;
  });
  eachPercentileMs(point, 'firstContent', (name, ms) => {
    series.first_content_ms[name][at] = ms;
  });
}

function emptySeries(length: number): Series {
  const zeros = () => new Array<number>(length).fill(0);
  const unknowns = () => new Array<number | null>(length).fill(null);
  const percentiles = () => ({ p50: unknowns(), p90: unknowns(), p95: unknowns(), p99: unknowns() });
  return {
    exchanges: zeros(),
    ok: zeros(),
    rejected: zeros(),
    failed: zeros(),
    aborted: zeros(),
    truncated: zeros(),
    error_rate: unknowns(),
    input_tokens: unknowns(),
    output_tokens: unknowns(),
    cost_usd: unknowns(),
    tokens_per_second: unknowns(),
    total_ms: { mean: unknowns(), ...percentiles() },
    first_content_ms: percentiles(),
  };
}
