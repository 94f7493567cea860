// A million old rows are removed while a gateway serves: what do its callers notice, and is the file smaller after?
//
//   node --import tsx bench/prune.ts [rows = 1000000] [requests per second = 100]
//
// The gateway (provider echo) is a process of its own. Requests leave at fixed times, whatever became of those before, so
// that waiting shows. Turns of 20 s with retention and without it take each other's place until all old rows are gone, so
// that what else the machine does happens to both. Takes about 7 minutes.
//
// Measured on two cores with nothing else to do (medians of 9 turns):
//    without retention  p50 1.2, p90 1.8, p99 4.4 ms
//    while pruning      p50 1.0, p90 1.8, p99 4.4 ms     340 MB before, 15 MB after 186 s of pruning
// With a load average of 12 it was p99 88 ms without and 104 ms with; with a fifth of the writing thread instead of a
// tenth, 147 ms.
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
import { sheetOf } from '../src/db/sheet.js';
import { prepareWriter } from '../src/db/writer.js';
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
    const without: number[][] = [];
    const pruning: number[][] = [];
    let seconds = 0;
    for (let pruned = false; !pruned; ) {
      without.push(await turn(path, rate, [], () => wait(TURN_MS)));
      const started = performance.now();
      pruning.push(await turn(path, rate, ['retain'], () => pruneTurn(path)));
      seconds += (performance.now() - started) / 1000;
      pruned = isPruned(path);
      console.log(`${oldRows(path)} old rows left, ${megabytes()} MB`);
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
    const sheet = sheetOf(Array.from({ length: BATCH }, (_, at) => old(row + at)));
    write({ sheet, bodies: [], again: false });
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

/** The median of the turns, because one turn in which the machine stood still would decide the sum of them. */
function report(name: string, turns: readonly number[][]): void {
  const at = (share: number) => median(turns.map((latencies) => quantile(latencies, share))).toFixed(1);
  console.log(`${name.padEnd(18)} ${turns.length} turns: p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)} ms`);
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * share)] ?? 0;
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

async function pruneTurn(path: string): Promise<void> {
  const deadline = performance.now() + TURN_MS;
  while (performance.now() < deadline && !isPruned(path)) await wait(500);
}

/** No old row is left, and the emptied pages are given back. */
function isPruned(path: string): boolean {
  const client = new SQLite(path, { readonly: true });
  const read = (sql: string) => client.prepare<[], number>(sql).pluck().get() ?? Number.POSITIVE_INFINITY;
  const oldest = read('select started_at from exchanges order by id limit 1');
  const [pages, empty] = [read('pragma page_count'), read('pragma freelist_count')];
  client.close();
  return oldest >= Date.now() - 30 * DAY_MS && empty <= Math.max(256, pages * 0.05);
}
