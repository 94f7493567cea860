import type { Counted, Summed } from './cell.js';
import type { AttemptRow, Bindable, ExchangeRow } from './rows.js';
import { attemptColumn, exchangeColumn, type SheetReader } from './sheet.js';

/** What of an exchange's row goes into sums, and into which. */
export type CountedExchange = Summed &
  Pick<ExchangeRow, 'startedAt' | 'key' | 'session' | 'route' | 'provider' | 'model'>;
/** The same of an attempt's. */
export type CountedAttempt = Counted & Pick<AttemptRow, 'provider' | 'model'>;

/** One exchange to be counted. */
export interface CountedRows {
  exchange: CountedExchange;
  attempts: readonly CountedAttempt[];
}

const STARTED_AT = exchangeColumn('startedAt');
const KEY = exchangeColumn('key');
const SESSION = exchangeColumn('session');
const STREAMING = exchangeColumn('streaming');
const ROUTE = exchangeColumn('route');
const PROVIDER = exchangeColumn('provider');
const MODEL = exchangeColumn('model');
const OUTCOME = exchangeColumn('outcome');
const END_REASON = exchangeColumn('endReason');
const INPUT_UNCACHED = exchangeColumn('inputUncachedTokens');
const CACHE_READ = exchangeColumn('cacheReadTokens');
const CACHE_WRITE = exchangeColumn('cacheWriteTokens');
const OUTPUT_TEXT = exchangeColumn('outputTextTokens');
const REASONING = exchangeColumn('reasoningTokens');
const AUDIO = exchangeColumn('audioTokens');
const COST = exchangeColumn('costNano');
const PROVIDER_COST = exchangeColumn('providerCostNano');
const DEAREST_COST = exchangeColumn('dearestCostNano');
const FIRST_CONTENT = exchangeColumn('firstContentUs');
const LAST_BYTE = exchangeColumn('lastByteUs');
const TOTAL = exchangeColumn('totalUs');
const BYTES_IN = exchangeColumn('bytesIn');
const BYTES_OUT = exchangeColumn('bytesOut');

const ATTEMPT_PROVIDER = attemptColumn('provider');
const ATTEMPT_MODEL = attemptColumn('model');
const DECISION = attemptColumn('decision');
const REASON = attemptColumn('reason');

/** What is counted of the exchange that a reader stands at. */
export function countedRows(reader: SheetReader): CountedRows {
  const attempts: CountedAttempt[] = [];
  for (let number = 0; number < reader.attempts(); number += 1)
    attempts.push(countedAttempt(reader.attempt(number)));
  return { exchange: countedExchange(reader.exchange), attempts };
}

/** By hand, because these columns are read for every exchange: as a loop over names it takes ten times as long. */
function countedExchange(row: readonly Bindable[]): CountedExchange {
  return {
    startedAt: number(row[STARTED_AT]),
    key: text(row[KEY]),
    session: text(row[SESSION]),
    streaming: row[STREAMING] === 1,
    route: text(row[ROUTE]),
    provider: text(row[PROVIDER]),
    model: text(row[MODEL]),
    outcome: text(row[OUTCOME]),
    endReason: text(row[END_REASON]),
    inputUncachedTokens: number(row[INPUT_UNCACHED]),
    cacheReadTokens: number(row[CACHE_READ]),
    cacheWriteTokens: number(row[CACHE_WRITE]),
    outputTextTokens: number(row[OUTPUT_TEXT]),
    reasoningTokens: number(row[REASONING]),
    audioTokens: number(row[AUDIO]),
    costNano: number(row[COST]),
    providerCostNano: number(row[PROVIDER_COST]),
    dearestCostNano: number(row[DEAREST_COST]),
    firstContentUs: number(row[FIRST_CONTENT]),
    lastByteUs: number(row[LAST_BYTE]),
    totalUs: number(row[TOTAL]),
    bytesIn: number(row[BYTES_IN]),
    bytesOut: number(row[BYTES_OUT]),
  };
}

function countedAttempt(row: readonly Bindable[]): CountedAttempt {
  return {
    provider: text(row[ATTEMPT_PROVIDER]),
    model: text(row[ATTEMPT_MODEL]),
    decision: text(row[DECISION]),
    reason: text(row[REASON]),
  };
}

function number(value: Bindable | undefined): number | null {
  return typeof value === 'number' ? value : null;
}

/** The column knows which texts there are. */
function text<Text extends string>(value: Bindable | undefined): Text | null {
  return typeof value === 'string' ? (value as Text) : null;
}
