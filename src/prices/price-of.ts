import type { ModelConfig, Price } from '../config/types.js';
import type { Config, ProviderConfig } from '../config.js';
import { type BoundedMap, createBoundedMap } from '../routing/learned/bounded.js';
import type { Target } from '../routing/table.js';
import { type Lookup, lookUpPrice, mayBeListed, readPriceList } from './genai-prices.js';

/** A price, and where it comes from. */
export interface Priced {
  readonly price: Price;
  /** `config`, or the price list with its version and the model it took it for. */
  readonly source: string;
}

const CONFIG = 'config';
/** Callers may name any model of a provider that declares none. */
const MAX_MODELS = 500;

/** What the list has said about a provider's models. It goes with the configuration of the provider. */
const looked = new WeakMap<ProviderConfig, BoundedMap<Lookup>>();

/**
 * What a target costs at a moment (epoch ms): what the configuration says, else the price list of genai-prices, else
 * null. Costs a map read; the first question about a model at a provider up to 0.2 ms, and the very first one reads the
 * list.
 */
export function priceOf({ provider, model, declared }: Target, now: number): Priced | null {
  const price = declared === null ? null : configured(declared, now);
  if (price !== null) return { price, source: CONFIG };
  if (!mayBeListed(provider)) return null;
  const models = modelsOf(provider);
  let known = models.get(model);
  if (known === undefined || now >= known.until || now < known.from) {
    known = lookUpSafely(provider, model, now);
    models.set(model, known);
  }
  return known.listed;
}

/** Reads the price list ahead of the first question, when there may be one. */
export function expectPrices({ providers }: Pick<Config, 'providers'>): void {
  if (!Object.values(providers).some(isAsked)) return;
  try {
    readPriceList();
  } catch {
    // Prices are unknown then, which the records say.
  }
}

/** Whether anything of the provider may cost what the list says. */
function isAsked(provider: ProviderConfig): boolean {
  const models = Object.values(provider.models);
  return mayBeListed(provider) && (models.length === 0 || models.some(({ price }) => price === null));
}

function modelsOf(provider: ProviderConfig): BoundedMap<Lookup> {
  const known = looked.get(provider);
  if (known !== undefined) return known;
  const models = createBoundedMap<Lookup>(MAX_MODELS, () => nothing);
  looked.set(provider, models);
  return models;
}

/** The last one that holds already. */
function configured({ price, priceChanges }: ModelConfig, now: number): Price | null {
  let current = price;
  for (const change of priceChanges) if (change.from <= now) current = change.price;
  return current;
}

const nothing: Lookup = { listed: null, from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY };

/** A list that cannot be read, or is not as expected, leaves the price unknown: no exchange fails for it. */
function lookUpSafely(provider: ProviderConfig, model: string, now: number): Lookup {
  try {
    return lookUpPrice(provider, model, now);
  } catch {
    return nothing;
  }
}
