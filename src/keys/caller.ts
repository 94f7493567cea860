import type { KeyTerms } from '../config.js';
import type { Caller } from '../exchange.js';
import { allowedOf } from '../routing/allowed.js';

/** What the terms of a key make of whoever holds it. */
export function callerOf(name: string, terms: KeyTerms): Caller {
  return {
    name,
    scopes: new Set(terms.scopes),
    allowed: allowedOf(terms),
    limits: terms.limits,
    budget: terms.budget,
    policy: terms.policy,
    capture: terms.capture,
  };
}

/**
 * What a caller sees of the records: only rows of this key; null: all. The one rule for every route whose scope is
 * `own`.
 */
export function forcedFilter(caller: Caller): { readonly key: string } | null {
  if (caller.scopes.has('read')) return null;
  // Anonymous callers have the scope `read`; a nameless one without it would see what has no key.
  return { key: caller.name ?? '' };
}
