import assert from 'node:assert/strict';
import { parseConfig } from '../../src/config.js';
import {
  type Availability,
  type Block,
  createAvailability,
  type Needs,
  type Permit,
} from '../../src/routing/availability.js';

/** An estimate of 0 tokens, so that only tests about tokens have to think of them. */
export const chat: Needs = { tokens: 0, endpoint: 'chat' };

/** A target by its id. */
export function named(id: string) {
  return { id, provider: { name: id.slice(0, id.indexOf('/')) } };
}

/** A store whose providers have these options; `lab` declares the models a and b unless it says otherwise. */
export function storeOf(lab: object = {}, others: object = {}, routes: object = {}): Availability {
  const providers = { lab: { type: 'ollama', models: { a: {}, b: {} }, ...lab }, ...others };
  return createAvailability(parseConfig({ providers, routes }, {}));
}

export function isPermit(result: Permit | Block): result is Permit {
  return 'settle' in result;
}

/** The permit for a target that is free. */
export function permitFor(store: Availability, id: string, now: number, needs = chat): Permit {
  const result = store.reserve(named(id), now, needs);
  assert.ok(isPermit(result), `${id} is not free at ${now}: ${JSON.stringify(result)}`);
  return result;
}

/** One whole call, put on the wire at once. */
export function call(
  store: Availability,
  id: string,
  now: number,
  result: 'success' | 'failure' | 'neutral',
) {
  const permit = permitFor(store, id, now);
  permit.sent(now);
  permit.settle(now, { result, tokens: null });
}
