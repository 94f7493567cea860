import type { IncomingHttpHeaders } from 'node:http';
import type { Config } from '../config.js';
import type { Endpoint } from '../endpoints.js';
import { type Attempt, beginAttempt, conclude, type Exchange, skipAttempt } from '../exchange.js';
import { order } from '../routing/choose.js';
import type { Router } from '../routing/router.js';
import { type Entry, recordedModel, type Target } from '../routing/table.js';
import type { Usage } from '../stream/usage.js';
import type { Answer } from './answer.js';
import { attempt, type Work } from './attempt.js';
import { classify, type Failure, upstreamMessage, type Verdict } from './failure.js';
import { cancelledError, finalAnswer, nothingAvailable } from './final.js';
import { requestHeaders } from './headers.js';
import type { Outgoing } from './outgoing.js';
import { type Connection, connectTo } from './pools.js';
import { hideSecret } from './secret.js';

/** A request that is to be answered by one of a route's targets. */
export interface Job {
  exchange: Exchange;
  resolution: Entry;
  endpoint: Endpoint;
  /** With its `?`, or empty. */
  query: string;
  headers: IncomingHttpHeaders;
  body: Outgoing;
  /** The caller asked for server-sent events. */
  streaming: boolean;
  /** The client asked for a stream of a kind that can report usage, but not for its usage. */
  addStreamUsage: boolean;
  /** What the exchange used, from the bytes of the answer's text; null when that cannot be told. */
  estimate(outputBytes: number): Usage | null;
}

/** Sends exchanges to the providers. */
export interface Upstream {
  /**
   * Tries the targets in order until one answers. Resolves at the commit point, also with an upstream's own error
   * when that is the final answer. Throws a `GatewayError` when there is nothing of an upstream to pass on.
   */
  forward(job: Job): Promise<Answer>;
  /** Closes every connection. */
  close(): Promise<void>;
}

type Tried = { answer: Answer } | { failure: Failure; action: Verdict['action'] };

/** Connects to the configured providers; nothing is sent until the first job. */
export function createUpstream(
  config: Pick<Config, 'providers' | 'disconnect' | 'drainLimit'>,
  router: Pick<Router, 'availability'>,
): Upstream {
  const drain = config.disconnect === 'drain' ? config.drainLimit : null;
  const connections = new Map<string, Connection>();
  const withoutStreamUsage = new Set<string>();
  const { availability } = router;
  for (const provider of Object.values(config.providers)) connections.set(provider.name, connectTo(provider));

  async function forward(job: Job): Promise<Answer> {
    const { exchange, resolution } = job;
    exchange.queueUs = 0;
    if (job.endpoint.answer === 'any') return pass(job);
    let last: { target: Target; failure: Failure } | null = null;
    let largerThan: number | null = null;
    for (const target of order(resolution.strategy, resolution.targets)) {
      if (exchange.cancelled !== null) throw cancelledError(exchange);
      const reason = obstacle(target, largerThan);
      if (reason !== null) {
        skipAttempt(exchange, target.provider.name, target.model, reason);
        continue;
      }
      const { name, streamUsage } = target.provider;
      const ask = job.addStreamUsage && streamUsage && !withoutStreamUsage.has(name);
      const tried = await send(job, target, ask ? 'with_stream_options' : 'as_it_is');
      if ('answer' in tried) return tried.answer;
      last = { target, failure: tried.failure };
      if (tried.action === 'stop') break;
      if (tried.action === 'larger') largerThan = Math.max(largerThan ?? 0, target.declared?.context ?? 0);
    }
    if (last === null) throw nothingAvailable(resolution, availability, Date.now());
    return finalAnswer(exchange, last.target, last.failure, () => earliestReset(resolution));
  }

  /**
   * What is not routed by a model goes to its one provider, whatever is known about that: a file that does not exist
   * says nothing about a model.
   */
  async function pass(job: Job): Promise<Answer> {
    const { exchange } = job;
    if (exchange.cancelled !== null) throw cancelledError(exchange);
    const [target] = job.resolution.targets;
    if (target === undefined) throw new Error('There is no provider to pass this request on to.');
    exchange.provider = target.provider.name;
    const record = beginAttempt(exchange, target.provider.name, target.model);
    const result = await attempt(work(job, target, false), record);
    if ('answer' in result) return result.answer;
    note(exchange, record, result.failure, target);
    return finalAnswer(exchange, target, result.failure, () => null);
  }

  /** One target, with a second try when it refuses the `stream_options` that the gateway added. */
  async function send(job: Job, target: Target, form: 'with_stream_options' | 'as_it_is'): Promise<Tried> {
    const { exchange } = job;
    const streamOptions = form === 'with_stream_options';
    exchange.provider = target.provider.name;
    exchange.model = recordedModel(target);
    const record = beginAttempt(exchange, target.provider.name, target.model);
    const result = await attempt(work(job, target, streamOptions), record);
    if ('answer' in result) return result;
    const verdict = classify(result.failure, Date.now(), { streamOptions });
    note(exchange, record, result.failure, target);
    if (verdict.effect !== null) {
      const { obstacle: why, scope, forMs } = verdict.effect;
      availability.block(scope === 'provider' ? target.provider.name : target.id, why, Date.now() + forMs);
    }
    if (verdict.action === 'without_stream_options') {
      if (exchange.cancelled !== null) throw cancelledError(exchange);
      const again = await send(job, target, 'as_it_is');
      // Only now is it known that the options were the reason, and not a mistake of this caller.
      if ('answer' in again) withoutStreamUsage.add(target.provider.name);
      return again;
    }
    return { failure: result.failure, action: verdict.action };
  }

  function work(job: Job, target: Target, streamOptions: boolean): Work {
    const connection = connections.get(target.provider.name);
    if (connection === undefined) throw new Error(`No connection to the provider "${target.provider.name}".`);
    const { exchange, endpoint, streaming, estimate } = job;
    const sending = job.body.for(target.model, streamOptions);
    return {
      exchange,
      target,
      endpoint,
      streaming,
      send: connection.send,
      request: {
        method: exchange.method,
        path: endpoint.path + job.query,
        headers: requestHeaders(job.headers, target.provider.apiKey, sending),
        body: sending.body,
      },
      stripUsage: streamOptions,
      estimate,
      drain,
    };
  }

  /** Why a target is passed over; null when it can be tried. */
  function obstacle(target: Target, largerThan: number | null): string | null {
    if (largerThan !== null && (target.declared?.context ?? 0) <= largerThan) return 'context_too_small';
    return availability.blocked(target.provider.name, target.id, Date.now())?.obstacle ?? null;
  }

  function earliestReset(resolution: Entry): number | null {
    const now = Date.now();
    const ends = resolution.targets
      .map((target) => availability.blocked(target.provider.name, target.id, now)?.until)
      .filter((until) => until !== undefined);
    return ends.length === 0 ? null : Math.min(...ends) - now;
  }

  return {
    forward,
    async close() {
      await Promise.all([...connections.values()].map((connection) => connection.close()));
    },
  };
}

/** Writes a failed try into its record. */
function note(exchange: Exchange, record: Attempt, failure: Failure, target: Target): void {
  if (failure.kind === 'cancelled') {
    record.reason = exchange.cancelled;
    if (exchange.cancelled === 'client_gone') conclude(exchange, 'aborted', 'client_gone');
  } else if (failure.kind === 'broken') {
    record.reason = failure.endReason;
    record.error = failure.message;
  } else {
    record.reason = `http_${failure.status}`;
    record.error = hideSecret(upstreamMessage(failure.body), target.provider).slice(0, 500);
  }
}
