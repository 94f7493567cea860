import type { Config, ProviderConfig } from '../config.js';
import type { Router } from '../routing/router.js';
import { recordedModel } from '../routing/table.js';
import type { Answer } from './answer.js';
import { attended } from './attended.js';
import { backoff, pause } from './backoff.js';
import { lane, look, type Picked, pick } from './dispatch.js';
import { cancelledError, finalAnswer, nothingAvailable } from './final.js';
import { createHedge } from './hedge.js';
import type { Job } from './job.js';
import { createLine, type Find, type QueueRow } from './line.js';
import { Progress } from './progress.js';
import { race } from './race.js';
import { createSender, type Failed, type Tried } from './send.js';

export type { Job } from './job.js';

/** The parts of a configuration that decide how requests are sent. */
export type ForwardingConfig = Pick<Config, 'providers' | 'routes' | 'retries' | 'disconnect' | 'drainLimit'>;

/** Sends exchanges to the providers. */
export interface Upstream {
  /**
   * Tries targets until one answers. Resolves at the commit point, also with an upstream's own error when that is the
   * final answer. Throws a `GatewayError` when there is nothing of an upstream to pass on.
   */
  forward(job: Job): Promise<Answer>;
  /** A provider's own list of models, as it answers `GET /models`. Rejects when it does not. */
  fetchModels(provider: ProviderConfig, signal: AbortSignal): Promise<unknown>;
  /** How many requests wait in the queues of the routes that have one. */
  queues(): QueueRow[];
  /** Closes every connection. */
  close(): Promise<void>;
}

/** Connects to the configured providers; nothing is sent until the first job. */
export function createUpstream(config: ForwardingConfig, router: Router): Upstream {
  const line = createLine(config.routes, router.availability.isShared);
  const hedge = createHedge(config.routes, router);
  const sender = createSender(config, router, line.poke);

  async function forward(job: Job): Promise<Answer> {
    const { exchange, resolution } = job;
    exchange.queueUs = 0;
    if (job.endpoint.answer === 'any') return pass(job);
    const progress = new Progress(exchange, resolution, job.facts, retriesOf(job));
    if (exchange.cancelled !== null) throw cancelledError(exchange);
    // Nearly always the first target is free and answers: the rest is not made ready before it is needed.
    const found = line.isFor(resolution.route) ? null : pick(router, progress, Date.now());
    if (found === null || !('permit' in found)) return goOn(job, progress, null);
    const tried = await attempts(job, progress, found);
    return 'answer' in tried ? tried.answer : goOn(job, progress, tried);
  }

  /** Asks one target after the other until one answers. `failed`: how the first did not. */
  async function goOn(job: Job, progress: Progress, failed: Failed | null): Promise<Answer> {
    const { exchange, resolution } = job;
    const find: Find = {
      pick: () => pick(router, progress, Date.now()),
      look: () => look(router, progress, Date.now()),
      lane: () => lane(router, progress, Date.now()),
    };
    let last: Failed | null = null;
    let tried: Tried | null = failed;
    for (let round = 0; ; ) {
      if (tried !== null) {
        if ('answer' in tried) return tried.answer;
        // Without what the gateway added, the same request is to be asked again: that says nothing of it.
        if (tried.action !== 'without_stream_options') last = tried;
        if (tried.action === 'stop') break;
        tried = null;
      }
      // Who has left takes no place in a line: nobody would tell it to go.
      if (exchange.cancelled !== null) throw cancelledError(exchange);
      const found = await line.next(exchange, resolution.route, find);
      if (exchange.cancelled !== null) {
        if ('permit' in found) giveBack(found);
        throw cancelledError(exchange);
      }
      if ('permit' in found) {
        tried = await attempts(job, progress, found);
        continue;
      }
      const now = Date.now();
      if (last === null) throw nothingAvailable(found, now);
      const retries = progress.retries;
      const ms = found.exhausted && round < retries ? pauseMs(progress, round, now) : null;
      if (ms === null) break;
      round++;
      await pause(exchange, ms);
      progress.beginRound(now + ms);
    }
    if (last === null) throw new Error('A request ended without an answer and without a failure.');
    exchange.provider = last.target.provider.name;
    exchange.model = recordedModel(last.target);
    return finalAnswer(exchange, last.target, last.failure, () => resetMs(progress));
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
    const tried = await attended(exchange, (control) => sender.pass(job, target, control()));
    if ('answer' in tried) return tried.answer;
    return finalAnswer(exchange, target, tried.failure, () => null);
  }

  /** One target, and a second one beside it when the route hedges and the first is slow. */
  function attempts(job: Job, progress: Progress, first: Picked): Promise<Tried> {
    const delay = hedge.begin(progress, first.target);
    return attended(job.exchange, (control) => {
      const start = (picked: Picked) => sender.send(job, progress, picked, control());
      const trying = start(first);
      if (delay === null) return trying;
      return race(trying, delay, () => {
        // Who has left, while the answer is read on for the record, is in no hurry.
        if (job.exchange.cancelled !== null || !hedge.isAllowed(progress)) return null;
        const second = pick(router, progress, Date.now(), first.target);
        if (!('permit' in second)) return null;
        hedge.spend(progress);
        return start(second);
      });
    });
  }

  function giveBack({ target, permit }: Picked): void {
    permit.release(Date.now());
    line.poke(target.provider.name);
  }

  function retriesOf({ resolution: { route } }: Job): number {
    return (route === null ? undefined : config.routes[route]?.retries) ?? config.retries;
  }

  /** What the request may never use, by its policy or its size, says nothing about when to come back. */
  function resetMs(progress: Progress): number | null {
    const now = Date.now();
    const { plan, retryAt } = look(router, progress, now);
    if (plan.candidates.length > 0) return 0;
    return retryAt === null ? null : retryAt - now;
  }

  return {
    forward,
    fetchModels: sender.fetchModels,
    queues: line.rows,
    async close() {
      line.close();
      await sender.close();
    },
  };
}

function pauseMs(progress: Progress, round: number, now: number): number | null {
  return backoff(round, progress.wait(now), Math.random());
}
