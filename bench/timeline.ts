/**
 * A provider that turns slow, then fails, then recovers, and what the gateway makes of it, told by the attempts in its
 * own ledger. `node --import tsx bench/timeline.ts` takes about 45 seconds and prints the table of
 * `docs/worked-example.md`; `--json` prints the rows.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setInterval as every } from 'node:timers/promises';
import Database from 'better-sqlite3';
import Fastify from 'fastify';
import gateway, { type GatewayOptions } from '../src/index.js';

/** What the first provider does from a second on. */
const phases: readonly { from: number; what: string; answer: (response: ServerResponse) => void }[] = [
  { from: 0, what: 'answers in 20 ms', answer: after(20, ok) },
  { from: 8, what: 'takes 2 s', answer: after(2000, ok) },
  { from: 18, what: 'answers 503', answer: after(20, failed) },
  { from: 28, what: 'answers in 20 ms', answer: after(20, ok) },
];
const SECONDS = 44;
/** One request each 100 ms. */
const PERIOD_MS = 100;

const completion = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 8, completion_tokens: 1, total_tokens: 9 },
};

interface Attempt {
  second: number;
  provider: string;
  decision: string;
  reason: string;
}

async function run(path: string) {
  let startedAt = Date.now();
  const second = () => (Date.now() - startedAt) / 1000;
  const first = await serve((response) => phases.findLast(({ from }) => from <= second())?.answer(response));
  const other = await serve(after(60, ok));
  const app = Fastify();
  await app.register(gateway, configuration(first.url, other.url, path));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });

  startedAt = Date.now();
  const body = JSON.stringify({ model: 'main', messages: [{ role: 'user', content: 'Hello' }] });
  const headers = { 'content-type': 'application/json' };
  const statuses: Promise<number>[] = [];
  for await (const _ of every(PERIOD_MS)) {
    if (second() >= SECONDS) break;
    statuses.push(
      fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body }).then(async (response) => {
        await response.arrayBuffer();
        return response.status;
      }),
    );
  }
  const failures = (await Promise.all(statuses)).filter((status) => status !== 200).length;
  await app.close();
  for (const { server } of [first, other]) server.closeAllConnections();
  for (const { server } of [first, other]) server.close();
  return { attempts: attemptsIn(path, startedAt), failures };
}

function configuration(first: string, other: string, path: string): GatewayOptions {
  const shared = { type: 'openai-compatible', models: { m: {} }, timeouts: { firstByte: '1s' } } as const;
  return {
    database: { path },
    providers: {
      first: { ...shared, baseUrl: first, breaker: { failures: 5, window: '10s', open: '2s' } },
      other: { ...shared, baseUrl: other },
    },
    routes: { main: { strategy: 'priority', targets: ['first/m', 'other/m'] } },
  };
}

/** Each attempt at the second in which it began. */
function attemptsIn(path: string, startedAt: number): Attempt[] {
  const database = new Database(path, { readonly: true });
  try {
    return database
      .prepare<[number], Attempt>(
        `SELECT CAST((e.started_at + COALESCE(a.started_us, 0) / 1000.0 - ?) / 1000 AS INTEGER) AS second,
                a.provider, a.decision, a.reason
         FROM attempts a JOIN exchanges e ON e.seq = a.exchange_seq
         ORDER BY e.seq, a.number`,
      )
      .all(startedAt);
  } finally {
    database.close();
  }
}

const columns: readonly (readonly [title: string, provider: string, reason: string])[] = [
  ['first answered', 'first', 'answered'],
  ['first timed out', 'first', 'first_byte_timeout'],
  ['first 503', 'first', 'http_503'],
  ['first passed over', 'first', 'breaker_open'],
  ['other answered', 'other', 'answered'],
];

function print(attempts: readonly Attempt[], failures: number): void {
  console.log(`| second | the first provider | ${columns.map(([title]) => title).join(' | ')} |`);
  console.log(`|--:|---|${columns.map(() => '--:').join('|')}|`);
  for (let second = 0; second < SECONDS; second++) {
    const counts = columns.map(([, provider, reason]) => {
      const here = attempts.filter((row) => row.second === second && row.provider === provider);
      return here.filter((row) => row.reason === reason).length || '';
    });
    const phase = phases.find(({ from }) => from === second)?.what ?? '';
    console.log(`| ${second} | ${phase} | ${counts.join(' | ')} |`);
  }
  const known = (row: Attempt) =>
    columns.some(([, provider, reason]) => row.provider === provider && row.reason === reason);
  const others = attempts.filter((row) => !known(row)).map(({ provider, reason }) => `${provider} ${reason}`);
  const requests = attempts.filter(({ reason }) => reason === 'answered').length;
  console.log(`\n${requests} requests were answered, ${failures} were not.`);
  if (others.length > 0) console.log(`Besides: ${others.join(', ')}.`);
}

async function serve(answer: (response: ServerResponse) => void) {
  const server = createServer((request, response) => {
    request.resume().on('end', () => answer(response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { server, url: `http://127.0.0.1:${port}/v1` };
}

function after(ms: number, answer: (response: ServerResponse) => void) {
  return (response: ServerResponse) => void setTimeout(answer, ms, response);
}

function ok(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(completion));
}

function failed(response: ServerResponse): void {
  const error = { message: 'The service is overloaded.', type: 'server_error', param: null, code: null };
  response.writeHead(503, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
}

const folder = mkdtempSync(join(tmpdir(), 'llm-gateway-timeline-'));
try {
  const { attempts, failures } = await run(join(folder, 'gateway.db'));
  if (process.argv.includes('--json')) console.log(JSON.stringify(attempts));
  else print(attempts, failures);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
