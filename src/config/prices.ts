import type { Path, Problems } from './problems.js';
import type { ModelOptions, PriceOptions } from './schema.js';
import type { ModelConfig, Price, PriceChange, Rates } from './types.js';

const NANO = 1e9;

type RateOptions = { readonly [Kind in keyof Rates]?: number };

/** From USD to integer nano-USD; at most 1e15, so exact. Not given is unknown: null. */
export function nanoUsd(usd: number | undefined): number | null {
  return usd === undefined ? null : Math.round(usd * NANO);
}

/** The prices of a model: the one without a date, and the dated ones in order. */
export function completePrices(
  options: ModelOptions['price'],
  path: Path,
  problems: Problems,
): Pick<ModelConfig, 'price' | 'priceChanges'> {
  const listed: readonly PriceOptions[] =
    options === undefined ? [] : Array.isArray(options) ? options : [options];
  let first: Price | null = null;
  const changes: PriceChange[] = [];
  for (const [index, each] of listed.entries()) {
    const at = Array.isArray(options) ? [...path, index] : path;
    const price = completePrice(each, at, problems);
    if (each.from === undefined) {
      if (index > 0)
        problems.add(at, 'needs a date `from` which it holds: only the first price may do without');
      first = price;
      continue;
    }
    const from = dateOf(each.from);
    if (from === null) problems.add([...at, 'from'], `is "${each.from}", which is no day of the calendar`);
    else if (changes.some((change) => change.from === from)) {
      problems.add([...at, 'from'], `is "${each.from}", like that of another price`);
    } else if (price !== null) changes.push({ from, price });
  }
  return { price: first, priceChanges: changes.sort((a, b) => a.from - b.from) };
}

/** Null when nothing is in it. */
function completePrice(price: PriceOptions, path: Path, problems: Problems): Price | null {
  const { from: _from, ...written } = price;
  if (Object.keys(written).length === 0) return null;
  const tiers = [...(price.tiers ?? [])].sort((a, b) => a.above - b.above);
  for (const [index, { above }] of tiers.entries()) {
    if (tiers[index - 1]?.above === above) {
      problems.add([...path, 'tiers'], `must not have two tiers above ${above} tokens`);
    }
  }
  return {
    ...ratesOf(price),
    request: nanoUsd(price.request),
    // What a tier leaves out stays as it is below it.
    tiers: tiers.map((tier) => ({ above: tier.above, ...ratesOf({ ...price, ...tier }) })),
  };
}

function ratesOf(options: RateOptions): Rates {
  return {
    input: nanoUsd(options.input),
    output: nanoUsd(options.output),
    cachedInput: nanoUsd(options.cachedInput),
    cacheWrite: nanoUsd(options.cacheWrite),
    reasoning: nanoUsd(options.reasoning),
    audioInput: nanoUsd(options.audioInput),
    audioOutput: nanoUsd(options.audioOutput),
  };
}

/** Midnight UTC of a day, epoch milliseconds; null for the 31st of February. */
function dateOf(day: string): number | null {
  const at = Date.parse(`${day}T00:00:00.000Z`);
  return Number.isFinite(at) && new Date(at).toISOString().startsWith(day) ? at : null;
}
