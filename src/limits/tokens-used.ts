import type { Exchange } from '../exchange.js';
import { totalTokens } from '../stream/usage.js';

/**
 * What an exchange counts for in its caller's limits once it is over. Null: what was estimated. An answer that reports
 * nothing is not free, and neither is one whose client left before it came; a request that got no answer is.
 */
export function tokensUsed(exchange: Exchange): number | null {
  const reported = exchange.usage === null ? null : totalTokens(exchange.usage);
  if (reported !== null) return reported;
  if (exchange.commitUs !== null) return null;
  const sent = exchange.attempts.some(({ decision }) => decision === 'sent');
  return sent && exchange.outcome === 'aborted' ? null : 0;
}
