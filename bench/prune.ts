// A million old rows are removed while a gateway serves: what do its callers notice, and is the file smaller after?
//
//   node --import tsx bench/prune.ts [rows = 1000000] [requests per second = 100]
//
// The gateway (provider echo) is a process of its own. Requests leave at fixed times, whatever became of those before, so
// that waiting shows. Turns of 20 s with retention and without it take each other's place until all old rows are gone, so
// that what else the machine does happens to both. Takes about 15 minutes.
//
// Measured on two cores shared with other work: see the end of docs/architecture.md, "Capture, sessions, retention".
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import SQLite from 'better-sqlite3';
import Fastify from 'fastify';
import { Pool } from 'undici';
import { openWriter } from '../src/db/open.js';
import { parcelOf, prepareWriter } from '../src/db/writer.js';
import { beginAttempt, type Exchange, openExchange } from '../src/exchange.js';
import gateway from '../src/index.js';

const DAY_MS = 86_400_000;
const TURN_MS = 20_000;
const BATCH = 1000;
const [role] = process.argv.slice(2);

if (role === 'serve') await serve(process.argv[3] ?? '', process.argv[4] === 'retain');
else await measure(...process.argv.slice(2).map(Number));

async function serve(path: string, retain: boolean): Promise<void> {
  const app = Fastify();
  await app.register(gateway, {
    database: { path, ...(retain && { retention: { exchanges: '30d' } }) },
    providers: { echo: { type: 'echo' } },
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  process.send?.((app.server.address() as AddressInfo).port);
  process.on('disconnect', () => void app.close());
}

async function measure(rows = 1_000_000, rate = 100): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-prune-'));
  const path = join(folder, 'gateway.db');
  try {
    fill(path, rows);
    const megabytes = () => (statSync(path).size / 1e6).toFixed(0);
    console.log(`${rows} rows of 60 days ago, ${megabytes()} MB; ${rate} requests per second`);
    const without: number[] = [];
    const pruning: number[] = [];
    let seconds = 0;
    for (let left = rows; left > 0; ) {
      without.push(...(await turn(path, rate, [], () => wait(TURN_MS))));
      const started = performance.now();
      pruning.push(...(await turn(path, rate, ['retain'], () => Promise.race([wait(TURN_MS), gone(path)]))));
      seconds += (performance.now() - started) / 1000;
      left = oldRows(path);
      console.log(`${left} old rows left`);
    }
    console.log(`all gone after ${seconds.toFixed(0)} s of pruning, ${megabytes()} MB`);
    report('without retention', without);
    report('while pruning', pruning);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function fill(path: string, rows: number): void {
  const client = openWriter(path, { synchronous: 'normal', waitMs: 0 });
  const write = prepareWriter(client);
  for (let row = 0; row < rows; row += BATCH) {
    const parcels = Array.from({ length: BATCH }, (_, at) =>
      parcelOf({ exchange: old(row + at), payloads: [] }),
    );
    write({ parcels, again: false });
  }
  client.pragma('wal_checkpoint(truncate)');
  client.close();
}

function old(row: number): Exchange {
  const startedAt = Date.now() - 60 * DAY_MS + row;
  const hex = startedAt.toString(16).padStart(12, '0');
  const id = `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${row.toString(16).padStart(12, '0')}`;
  const opening = { method: 'POST', endpoint: '/v1/chat/completions', session: `s${row % 5000}` };
  const exchange: Exchange = {
    ...openExchange(opening),
    id,
    startedAt,
    outcome: 'ok',
    endReason: 'complete',
  };
  Object.assign(exchange, { provider: 'groq', model: 'llama', route: 'default', status: 200, totalUs: 1000 });
  beginAttempt(exchange, 'groq', 'llama').reason = 'answered';
  return exchange;
}

async function turn(
  path: string,
  rate: number,
  options: string[],
  until: () => Promise<void>,
): Promise<number[]> {
  const child = fork(import.meta.filename, ['serve', path, ...options]);
  const port = await new Promise<number>((resolve) =>
    child.once('message', (given) => resolve(Number(given))),
  );
  const latencies = await load(port, rate, until);
  await ended(child);
  return latencies;
}

function report(name: string, latencies: number[]): void {
  latencies.sort((a, b) => a - b);
  const at = (share: number) => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(1);
  console.log(
    `${name.padEnd(18)} ${latencies.length} requests: p50 ${at(0.5)}, p99 ${at(0.99)}, p99.9 ${at(0.999)} ms`,
  );
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.disconnect();
  await exit;
}

async function load(port: number, rate: number, until: () => Promise<void>): Promise<number[]> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 50 });
  const body = JSON.stringify({ model: 'echo/echo', messages: [{ role: 'user', content: 'Hello there' }] });
  const latencies: number[] = [];
  const pending = new Set<Promise<void>>();
  const send = async () => {
    const start = performance.now();
    const answer = await pool.request({
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { 'content-type': 'application/json' },
      body,
    });
    await answer.body.dump();
    latencies.push(performance.now() - start);
  };
  for (let warm = 0; warm < 200; warm += 1) await send();
  latencies.length = 0;
  const timer = setInterval(() => {
    const sent = send().finally(() => pending.delete(sent));
    pending.add(sent);
  }, 1000 / rate);
  await until();
  clearInterval(timer);
  await Promise.all(pending);
  await pool.close();
  return latencies;
}

function oldRows(path: string): number {
  const client = new SQLite(path, { readonly: true });
  const count = client
    .prepare<[number], number>('select count(*) from exchanges where started_at < ?')
    .pluck();
  const rows = count.get(Date.now() - 30 * DAY_MS) ?? 0;
  client.close();
  return rows;
}

/** Resolves when no old row is left and the emptied pages are given back. */
async function gone(path: string): Promise<void> {
  const client = new SQLite(path, { readonly: true });
  const limit = Date.now() - 30 * DAY_MS;
  const oldest = client.prepare<[], number>('select started_at from exchanges order by id limit 1').pluck();
  const pages = () => Number(client.pragma('page_count', { simple: true }));
  const free = () => Number(client.pragma('freelist_count', { simple: true }));
  while ((oldest.get() ?? limit) < limit || free() > Math.max(256, pages() * 0.05)) await wait(1000);
  client.close();
}
