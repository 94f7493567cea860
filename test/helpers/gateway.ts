import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import Fastify, { type FastifyInstance } from 'fastify';
import gateway, { type GatewayPluginOptions } from '../../src/index.js';
import { temporaryFolder } from './folder.js';

export { temporaryFolder } from './folder.js';

export type Row = Record<string, string | number | null>;

/** A gateway on a real socket with a real database file. Everything goes when the test ends. */
export interface RunningGateway {
  app: FastifyInstance;
  /** Without a slash at the end, with the prefix. */
  url: string;
  database: string;
  /** All rows of a table once the expected number of exchanges is written. */
  exchanges(count: number): Promise<Row[]>;
  attempts(): Row[];
}

export interface Setup extends Omit<GatewayPluginOptions, 'prefix'> {
  prefix?: string;
  /** Adds what a host app has before the gateway is registered. */
  host?: (app: FastifyInstance) => unknown;
}

export async function startGateway(context: TestContext, setup: Setup): Promise<RunningGateway> {
  const { prefix = '/ai', host, ...options } = setup;
  const database = join(temporaryFolder(), 'gateway.db');
  const app = Fastify({ forceCloseConnections: 'idle' });
  context.after(() => app.close());
  await host?.(app);
  // A try again is what the tests of it ask for.
  await app.register(gateway, { database: { path: database }, retries: 0, ...options, prefix });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    app,
    url: `http://127.0.0.1:${port}${prefix}`,
    database,
    exchanges: (count) => waitForRows(database, count),
    attempts: () => readRows(database, 'SELECT * FROM attempts ORDER BY exchange_seq, number'),
  };
}

/** Reads with a connection of its own, as another process would. */
export function readRows(path: string, sql: string): Row[] {
  const database = new Database(path, { readonly: true });
  try {
    return database.prepare<[], Row>(sql).all();
  } finally {
    database.close();
  }
}

/** The rows once there are `count` of them, and no more a moment later. Fails after five seconds. */
export async function waitForRows(path: string, count: number): Promise<Row[]> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const rows = readRows(path, 'SELECT * FROM exchanges ORDER BY seq');
    if (rows.length >= count) {
      if (rows.length > count) throw new Error(`Expected ${count} rows, found ${rows.length}.`);
      return rows;
    }
    if (Date.now() > deadline) throw new Error(`Expected ${count} rows, found ${rows.length} after 5 s.`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export const chat = { model: 'main/test-model', messages: [{ role: 'user', content: 'Hi' }] };

/** Posts JSON with fetch. */
export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: text,
  });
}

/** Posts with node:http, for tests that cut the connection themselves. */
export function rawPost(url: string, body: string | Buffer, headers: Record<string, string> = {}) {
  const outgoing = httpRequest(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
  });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve);
    outgoing.on('error', reject);
  });
  response.catch(() => {});
  outgoing.end(body);
  return { outgoing, response };
}

interface ErrorBody {
  message: string;
  type: string;
  param: string | null;
  code: string | null;
}

/** The error in an answer of the API. */
export async function errorOf(response: Response): Promise<ErrorBody> {
  return JSON.parse(await response.text()).error;
}
