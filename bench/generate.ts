/**
 * Fills a database with exchanges of the last 30 days, through the real ledger.
 *
 *   node --import tsx bench/generate.ts <path> [count=1000000] [days=30] [keys=20]
 *
 * Prints its progress, and at the end rows per second and bytes per exchange on disk. From sources its thread runs
 * through a loader; built code is about as fast.
 */
import { statSync } from 'node:fs';
import SQLite from 'better-sqlite3';
import { openLedger } from '../src/db/ledger.js';
import { randomOf, someExchange } from './exchanges.js';

const [path, count = '1000000', days = '30', keys = '20'] = process.argv.slice(2);
if (path === undefined || path.startsWith('-') || ![count, days, keys].every((each) => Number(each) > 0)) {
  console.error('usage: node --import tsx bench/generate.ts <path> [count=1000000] [days=30] [keys=20]');
  process.exit(2);
}

const QUEUE = 20_000;
const total = Number(count);
const span = Number(days) * 86_400_000;
const until = Date.now();
const random = randomOf(1);
const ledger = openLedger({ path, queueLimit: QUEUE * 4 });
const began = performance.now();

let writing = Promise.resolve();
for (let made = 0; made < total; ) {
  const end = Math.min(made + QUEUE, total);
  for (; made < end; made += 1) {
    const startedAt = Math.floor(until - span + (made / total) * span);
    ledger.record(someExchange(startedAt, random, Number(keys)));
  }
  await writing;
  writing = ledger.flush();
  const seconds = (performance.now() - began) / 1000;
  process.stderr.write(`\r${made} of ${total}, ${Math.round(made / seconds)} a second `);
}
await writing;
const { written, dropped } = ledger.health();
await ledger.close();
process.stderr.write('\n');

const seconds = (performance.now() - began) / 1000;
const bytes = statSync(path).size;
console.log(
  `${written} written, ${dropped} dropped in ${seconds.toFixed(1)} s, ${Math.round(written / seconds)} a second`,
);
console.log(`${bytes} bytes, ${Math.round(bytes / written)} for each exchange`);
const client = new SQLite(path, { readonly: true });
const sizes = client
  .prepare<[], { name: string; bytes: number }>(
    'select name, sum(pgsize) as bytes from dbstat group by name order by bytes desc limit 12',
  )
  .all();
for (const { name, bytes: each } of sizes) console.log(`${(each / written).toFixed(1).padStart(7)}  ${name}`);
client.close();
