import type { KeyTermsOptions } from '../config/schema.js';
import { parseInstantText } from '../config/units.js';
import type { Config } from '../config.js';

/** A mistake in what a key is to be used for. */
export interface TermsProblem {
  readonly param: string;
  readonly message: string;
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
