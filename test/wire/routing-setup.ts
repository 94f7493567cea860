import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import type { FastifyInstance } from 'fastify';
import type { AvailabilityRow } from '../../src/routing/availability/snapshot.js';
import type { QueueRow } from '../../src/upstream/line.js';
import { post, type Row, rawPost, type Setup, startGateway } from '../helpers/gateway.js';
import { type Script, type ScriptedUpstream, startUpstream } from '../helpers/upstream.js';

type Provider = NonNullable<Setup['providers']>[string];
type Route = NonNullable<Setup['routes']>[string];

/** A provider with one model `m`, and what its upstream does. */
export interface Member extends Partial<Provider> {
  script: Script;
}

const body = { model: 'r', messages: [{ role: 'user', content: 'Hi' }] };

/** A route `r` over the members, called `p1`, `p2`, ..., each behind a real server. */
export async function routeOver(
  t: TestContext,
  members: Member[],
  route: Partial<Route> = {},
  more: Setup = {},
) {
  const providers: Record<string, Provider> = {};
  const upstreams: ScriptedUpstream[] = [];
  for (const [index, { script, ...options }] of members.entries()) {
    const upstream = await startUpstream(t, script);
    upstreams.push(upstream);
    providers[`p${index + 1}`] = {
      type: 'openai-compatible',
      baseUrl: upstream.url,
      apiKey: 'sk-provider-secret',
      models: { m: {} },
      ...options,
    };
  }
  let inside: FastifyInstance | null = null;
  const gateway = await startGateway(t, {
    providers,
    routes: { r: { targets: members.map((_, index) => `p${index + 1}/m`), ...route } },
    // The gateway's own scope, to watch its queues without asking over the wire each time.
    host: (app) =>
      app.addHook('onRegister', (scope) => {
        inside ??= scope;
      }),
    ...more,
  });
  const url = `${gateway.url}/v1/chat/completions`;
  const queued = () => inside?.gatewayUpstream.queues()[0]?.waiting ?? 0;

  async function availability(): Promise<{ data: AvailabilityRow[]; queues: QueueRow[] }> {
    return JSON.parse(await (await fetch(`${gateway.url}/stats/availability`)).text());
  }

  return {
    gateway,
    upstreams,
    /** How many requests each upstream has seen. */
    calls: () => upstreams.map(({ seen }) => seen.length),
    ask: (fields: object = {}) => post(url, { ...body, ...fields }),
    stream: (fields: object = {}) => post(url, { ...body, stream: true, ...fields }),
    /** A client that can leave. */
    raw: (fields: object = {}) => rawPost(url, JSON.stringify({ ...body, ...fields })),
    queued,
    /** Resolves once so many requests wait in the route's queue. */
    async untilQueued(count: number): Promise<void> {
      await until(() => queued() === count, `${count} in the queue`);
    },
    availability,
    async row(provider: string, model: string | null = 'm'): Promise<AvailabilityRow> {
      const { data } = await availability();
      const row = data.find((one) => one.provider === provider && one.model === model);
      assert.ok(row !== undefined);
      return row;
    },
    /** Nothing is held any more: no permit, no place in a queue. */
    async assertIdle(): Promise<void> {
      const { data, queues } = await availability();
      for (const { provider, model, in_flight } of data) {
        assert.equal(in_flight, 0, `${provider}/${model} holds ${in_flight} permits`);
      }
      for (const { route: name, waiting } of queues) assert.equal(waiting, 0, `${waiting} wait for ${name}`);
    },
  };
}

/** Looks at every turn of the event loop whether it is so; fails after five seconds. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`Not within 5 s: ${what}.`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** `provider decision reason` of each attempt. */
export function tries(rows: Row[]): string[] {
  return rows.map(({ provider, decision, reason }) => `${provider} ${decision} ${reason}`);
}

/** `provider reason` of the attempts that were sent. */
export function sent(rows: Row[]): string[] {
  return rows.filter(({ decision }) => decision === 'sent').map((row) => `${row.provider} ${row.reason}`);
}

/** A script that hands its responses out to be ended later, and counts those that are open. */
export function held() {
  const open: ServerResponse[] = [];
  const waiting: ((response: ServerResponse) => void)[] = [];
  const script: Script = (response) => {
    const take = waiting.shift();
    if (take === undefined) open.push(response);
    else take(response);
  };
  return {
    script,
    /** The next request that came, or comes. */
    next(): Promise<ServerResponse> {
      const response = open.shift();
      return response === undefined
        ? new Promise((resolve) => waiting.push(resolve))
        : Promise.resolve(response);
    },
  };
}

/** Counts the requests that a script has in hand at once. */
export function counted(script: Script) {
  const count = { now: 0, most: 0 };
  const wrapped: Script = (response, seen, request) => {
    count.now++;
    count.most = Math.max(count.most, count.now);
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      count.now--;
      request.socket.removeListener('end', end);
    };
    response.once('finish', end).once('close', end);
    // A caller that is gone: `close` comes some turns of the event loop later.
    request.socket.once('end', end);
    script(response, seen, request);
  };
  return { script: wrapped, count };
}

/** Resolves when the upstream's side of a call is gone. */
export async function closed(response: ServerResponse): Promise<void> {
  if (!response.closed) await once(response, 'close');
}

/** Holds the clock that deadlines are compared with; no timer is touched. */
export function holdClock(t: TestContext) {
  let now = Math.floor(Date.now() / 1000) * 1000;
  t.mock.method(Date, 'now', () => now);
  return {
    now: () => now,
    forward(ms: number) {
      now += ms;
    },
    release: () => t.mock.restoreAll(),
  };
}
