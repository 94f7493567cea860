import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify';
import type { GatewayPluginOptions } from '../../src/index.js';
import { type Row, temporaryFolder, waitForRows } from '../helpers/gateway.js';
import { type Script, type ScriptedUpstream, startUpstream } from '../helpers/upstream.js';

/** What a gateway is registered with, before one scripted upstream that is called `main`. */
export interface Parts {
  options: GatewayPluginOptions & { database: { path: string } };
  upstream: ScriptedUpstream;
  /** The recorded exchanges once there are `count` of them. */
  rows(count: number): Promise<Row[]>;
}

/** An upstream and a database for one gateway; `prefix` is `/ai`. Everything goes when the test ends. */
export async function gatewayParts(context: TestContext, script: Script): Promise<Parts> {
  const upstream = await startUpstream(context, script);
  const path = join(temporaryFolder(), 'gateway.db');
  return {
    upstream,
    options: {
      prefix: '/ai',
      database: { path },
      providers: { main: { type: 'openai-compatible', baseUrl: upstream.url, apiKey: 'upstream-secret' } },
    },
    rows: (count) => waitForRows(path, count),
  };
}

/** A host app that is not listening. It closes when the test ends. */
export function createHost(context: TestContext, settings: FastifyServerOptions = {}): FastifyInstance {
  const app: FastifyInstance = Fastify({ forceCloseConnections: 'idle', ...settings });
  context.after(() => app.close());
  return app;
}

/** Listens on a free loopback port. Returns the URL without a slash at the end. */
export async function listen(app: FastifyInstance): Promise<string> {
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

export function ending(row: Row | undefined) {
  return { status: row?.status, outcome: row?.outcome, end_reason: row?.end_reason };
}

export const complete = { status: 200, outcome: 'ok', end_reason: 'complete' };

/** The `error` of a body of the gateway's one shape. */
export async function errorOf(response: Response): Promise<Record<string, unknown>> {
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  return error;
}
