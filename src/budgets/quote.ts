import type { Attempt, Exchange } from '../exchange.js';
import { isLasting } from '../routing/choose.js';
import type { RequestFacts } from '../routing/facts.js';
import type { Router } from '../routing/router.js';
import type { Entry, Target } from '../routing/table.js';
import { type WorstCase, worstCase } from '../routing/worst-case.js';

/** What a request may come to cost. */
export interface Quote {
  /** At the dearest of the targets that may answer it, integer nano-USD; 0 when none has a price. */
  readonly most: number;
  /** At one of them; null when its price is not known. */
  of(provider: string, model: string): WorstCase | null;
}

/** Nothing, for what costs nothing. */
export const freeOfCharge: Quote = { most: 0, of: () => null };

/** Asks the routing which targets may answer, now or when they are free again. Changes nothing. */
export function quote(
  router: Pick<Router, 'plan' | 'learned'>,
  entry: Entry,
  facts: RequestFacts,
  now: number,
): Quote {
  const { candidates, skips } = router.plan(entry, facts, now);
  const known: Quoted[] = [];
  const add = (target: Target): void => {
    const worst = worstCase(target, facts, now, router.learned.amounts.input(target.id).scale);
    if (worst !== null) known.push({ target, worst });
  };
  for (const target of candidates) add(target);
  for (const { target, reason } of skips) if (!isLasting(reason)) add(target);
  let most = 0;
  for (const { worst } of known) most = Math.max(most, worst.whole);
  return {
    most,
    of(provider, model) {
      for (const { target, worst } of known)
        if (target.model === model && target.provider.name === provider) return worst;
      return null;
    },
  };
}

interface Quoted {
  readonly target: Target;
  readonly worst: WorstCase;
}

/**
 * What an exchange cost, integer nano-USD. One whose usage nobody knows is not free: it costs what was set aside for it
 * when there is an answer, and its question when its client left before, whether or not the head of an answer had come.
 * The record then says `assumed`.
 */
export function chargeOf(exchange: Exchange, { of }: Quote): number {
  if (exchange.costNano !== null) return exchange.costNano;
  const sent = exchange.attempts.findLast(
    ({ provider, model, decision }) =>
      decision === 'sent' && provider === exchange.provider && model === exchange.model,
  );
  const worst = sent === undefined ? null : of(sent.provider, sent.model);
  if (sent === undefined || worst === null) return 0;
  const answered = exchange.commitUs !== null && (exchange.upstreamStatus ?? 500) < 400;
  const left = exchange.outcome === 'aborted' && wasUnderWay(sent);
  if (!answered && !left) return 0;
  exchange.costNano = answered ? worst.whole : worst.question;
  exchange.priceSource = 'assumed';
  sent.costNano = exchange.costNano;
  return exchange.costNano;
}

/** Nothing says that the provider had refused or failed when the client left: it was reading, or thinking. */
function wasUnderWay({ reason, status }: Attempt): boolean {
  return (reason === null || reason === 'client_gone') && (status ?? 200) < 400;
}
