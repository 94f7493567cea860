import type { KeyTermsOptions } from '../config/schema.js';
import { parseInstantText } from '../config/units.js';
import { type Config, parseDuration } from '../config.js';

/** A mistake in what a key is to be used for. */
export interface TermsProblem {
  readonly param: string;
  readonly message: string;
}

const DAY_MS = 86_400_000;
const MAX_GRACE_MS = 3650 * DAY_MS;

/**
 * For how many milliseconds the key before a new one works: a day, unless a span such as `24h` says otherwise. Null for
 * what is no span, and for one of more than 3650 days.
 */
export function graceMs(text: string | undefined): number | null {
  const ms = text === undefined ? DAY_MS : parseDuration(text);
  return ms === null || ms > MAX_GRACE_MS ? null : ms;
}

/** What the schema cannot know: names lead somewhere, and the day exists. Null when all is well. */
export function checkTerms(
  { routes = [], policy, expires }: KeyTermsOptions,
  config: Pick<Config, 'routes' | 'policies'>,
): TermsProblem | null {
  const unknown = routes.find((name) => config.routes[name] === undefined);
  if (unknown !== undefined) {
    return { param: 'routes', message: `No route is named ${JSON.stringify(unknown)}.` };
  }
  if (policy !== undefined && config.policies[policy] === undefined) {
    return { param: 'policy', message: `No policy is named ${JSON.stringify(policy)}.` };
  }
  if (expires !== undefined && parseInstantText(expires) === null) {
    return { param: 'expires_at', message: `${JSON.stringify(expires)} is no day of the calendar.` };
  }
  return null;
}
