import type { Database } from 'better-sqlite3';
import type { Price, Rates } from '../config/types.js';
import type { PriceJson } from './answers.js';
import { toUsd } from './units.js';

/** More than this many different prices are looked up anew. */
const MAX_KNOWN = 1000;

const texts = new WeakMap<Price, string>();

/** The text that a price is stored as. Made once for each price. */
export function priceText(price: Price): string {
  let text = texts.get(price);
  if (text === undefined) {
    text = JSON.stringify(price);
    texts.set(price, text);
  }
  return text;
}

/**
 * Prepares where a price is stored: the row of its text, which is made when there is none. `forget` after a
 * transaction that was rolled back, whose rows are not there.
 */
export function preparePrices(client: Database): { seqOf(text: string): number; forget(): void } {
  const find = client.prepare<[string], number>('select seq from prices where price = ?').pluck();
  const insert = client.prepare<[string]>('insert into prices (price) values (?)');
  const known = new Map<string, number>();
  return {
    seqOf(text) {
      let seq = known.get(text);
      if (seq === undefined) {
        seq = find.get(text) ?? Number(insert.run(text).lastInsertRowid);
        if (known.size >= MAX_KNOWN) known.clear();
        known.set(text, seq);
      }
      return seq;
    },
    forget: () => known.clear(),
  };
}

/** Prepares how the price of a row is read. */
export function preparePriceReader(client: Database): (seq: number | null) => PriceJson | null {
  const find = client.prepare<[number], string>('select price from prices where seq = ?').pluck();
  return (seq) => {
    const text = seq === null ? undefined : find.get(seq);
    return text === undefined ? null : priceJson(JSON.parse(text));
  };
}

function priceJson({ request, tiers, ...rates }: Price): PriceJson {
  return {
    ...ratesJson(rates),
    request: toUsd(request),
    tiers: tiers.map(({ above, ...tier }) => ({ above, ...ratesJson(tier) })),
  };
}

function ratesJson(rates: Rates) {
  return {
    input: toUsd(rates.input),
    output: toUsd(rates.output),
    cached_input: toUsd(rates.cachedInput),
    cache_write: toUsd(rates.cacheWrite),
    reasoning: toUsd(rates.reasoning),
    audio_input: toUsd(rates.audioInput),
    audio_output: toUsd(rates.audioOutput),
  };
}
