import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { LimitsConfig } from '../src/config.js';
import type { GatewayError } from '../src/errors.js';
import { type Exchange, whenSettled } from '../src/exchange.js';
import { setLimitHeaders } from '../src/limits/headers.js';
import { createMemoryLimits } from '../src/limits/memory-store.js';
import { limitError } from '../src/limits/refuse.js';
import type { Answered, LimitPermit, LimitStore, Refusal } from '../src/limits/store.js';
import { tokensUsed } from '../src/limits/tokens-used.js';
import '../src/types.js';
import { workersOf } from './workers.js';

/** Options of the limits plugin. */
export interface LimitsOptions {
  /** Where the use of keys is counted; in the memory of this process when it is left out. */
  limitStore?: LimitStore | undefined;
}

/** An exchange whose caller has limits. */
interface Limited {
  readonly exchange: Exchange;
  readonly key: string;
  readonly limits: LimitsConfig;
}

/**
 * Keeps callers to the limits of their keys. A request and its place are taken before its body is read, its tokens
 * before it is sent anywhere; a refusal by one limit takes nothing from the others. Every answer says what is left.
 */
async function limitsPlugin(app: FastifyInstance, options: LimitsOptions): Promise<void> {
  const store = options.limitStore ?? createMemoryLimits(workersOf(app).sharing('limits'));
  const keys = app.hasDecorator('gatewayKeys') ? app.gatewayKeys : null;

  app.addHook('onRequest', (request, reply, done) => {
    const limited = limitedBy(request);
    if (limited === null) return done();
    ask(
      () => store.admit(limited.key, limited.limits, Date.now()),
      (found) => done(found === null ? undefined : enter(found, limited, reply)),
    );
  });

  app.addHook('onSend', (request, reply, payload, done) => {
    const limited = limitedBy(request);
    if (limited === null) return done(null, payload);
    const { key, limits } = limited;
    const tell = () =>
      ask(
        () => store.standings(key, limits, Date.now()),
        (standings) => {
          if (standings !== null) setLimitHeaders(reply, standings);
          done(null, payload);
        },
      );
    const givenBack = giveBack(limited.exchange);
    if (givenBack === null) tell();
    else void givenBack.then(tell);
  });

  /** What a budget refuses has taken nothing of the limits either. */
  function giveBack(exchange: Exchange): Promise<void> | null {
    const permit = exchange.endReason === 'budget_exhausted' ? exchange.limitPermit : null;
    if (permit === null) return null;
    return ask(
      () => permit.refuse(Date.now()),
      () => {},
    );
  }

  /** Holds what was taken until the exchange is over, or says why nothing was. */
  function enter(
    found: LimitPermit | Refusal,
    limited: Limited,
    reply: FastifyReply,
  ): GatewayError | undefined {
    if ('limit' in found) return refusal(found, limited, reply, 0);
    const permit = found;
    const { exchange } = limited;
    exchange.limitPermit = permit;
    let pending: Promise<void> | null = null;

    function settle(): void {
      ask(
        () => permit.settle(Date.now(), tokensUsed(exchange)),
        () => {},
      );
    }

    exchange.reserveTokens = (tokens) => {
      let refused: GatewayError | null = null;
      pending = ask(
        () => permit.reserveTokens(Date.now(), tokens),
        (answer) => {
          if (answer !== null) refused = refusal(answer, limited, reply, tokens);
        },
      );
      const judge = (): void => {
        if (refused !== null) throw refused;
      };
      return pending === null ? judge() : pending.then(judge);
    };
    // The client may have left while a store elsewhere was asked.
    if (exchange.totalUs !== null) settle();
    else whenSettled(exchange, () => void (pending === null ? settle() : pending.then(settle)));
    return undefined;
  }

  /**
   * By the terms that the key has now: all its exchanges go by the same ones, also those that came before a change.
   * Anonymous callers have no limits, and what leaves no record does not count.
   */
  function limitedBy({ exchange }: FastifyRequest): Limited | null {
    const caller = exchange?.caller ?? null;
    if (exchange === null || caller === null || caller.name === null) return null;
    const { limits } = keys?.named(caller.name) ?? caller;
    return limits === null ? null : { exchange, key: caller.name, limits };
  }

  /**
   * Null when the answer has been used already. A store that fails harms nobody: its answer is null, and what it would
   * have said is passed over.
   */
  function ask<Value>(
    question: () => Answered<Value>,
    use: (answer: Value | null) => void,
  ): Promise<void> | null {
    const failed = (err: unknown): void => {
      app.log.warn({ err }, 'llm-gateway could not ask the store of the limits, and does without');
      use(null);
    };
    let answer: Answered<Value>;
    try {
      answer = question();
    } catch (err) {
      failed(err);
      return null;
    }
    if (answer instanceof Promise) return answer.then(use, failed);
    use(answer);
    return null;
  }
}

/** As long as a window of a minute may take, which is forgotten up to a second late. */
const PATIENCE_MS = 61_000;

function refusal(refused: Refusal, { key }: Limited, reply: FastifyReply, tokens: number): GatewayError {
  // OpenAI's own clients look at this before they try again: some would sleep for hours, others try at once.
  const isVain = refused.retryAfterMs === null || refused.retryAfterMs > PATIENCE_MS;
  if (isVain) reply.header('x-should-retry', 'false');
  return limitError(key, refused, tokens);
}

export default fp(limitsPlugin, {
  fastify: '5.x',
  name: 'gateway-limits',
  decorators: { request: ['exchange'] },
});
