// Kills a gateway under load, again and again, over one database, and says what its clients had received and the ledger
// has not. The load is as many requests as the connections can carry, at most the rate that is asked for.
//
//   node --import tsx bench/kill.ts [strict|relaxed|both = both] [rounds = 20] [requests per second = 2000] [seconds = 2]
//
// Under strict nothing may be missing, under relaxed only answers of the last 50 ms. Exits with 1 otherwise.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Durability } from '../src/db/schedule.js';
import { hammer, type Received, startChild } from '../test/ledger/child.js';
import { inspect } from '../test/ledger/inspect.js';

const [which = 'both', ...numbers] = process.argv.slice(2);
const [rounds = 20, rate = 2000, seconds = 2] = numbers.map(Number);
const CONNECTIONS = 50;
/** A row is committed within this time. Milliseconds. */
const WINDOW_MS = 50;

async function round(path: string, durability: Durability) {
  const child = await startChild(path, durability);
  const received: Received[] = [];
  let killedAt = 0;
  const timer = setTimeout(() => {
    killedAt = Date.now();
    child.process.kill('SIGKILL');
  }, seconds * 1000);
  const started = performance.now();
  await hammer(child.url, {
    connections: CONNECTIONS,
    perSecond: rate,
    onAnswer: (answer) => received.push(answer),
  });
  clearTimeout(timer);
  const { stored, openMs } = await inspect(path);
  const missing = received.filter(({ id }) => !stored.has(id));
  return {
    perSecond: (received.length * 1000) / (performance.now() - started),
    missing: missing.length,
    oldestMs: Math.max(0, ...missing.map(({ at }) => killedAt - at)),
    openMs,
  };
}

let failed = false;
const both: Durability[] = ['strict', 'relaxed'];
for (const durability of both.filter((each) => which === 'both' || which === each)) {
  const folder = mkdtempSync(join(tmpdir(), 'kill-bench-'));
  const path = join(folder, 'kill.db');
  for (let number = 1; number <= rounds; number += 1) {
    const { perSecond, missing, oldestMs, openMs } = await round(path, durability);
    failed ||= durability === 'strict' ? missing > 0 : oldestMs > WINDOW_MS;
    process.stdout.write(
      `${durability} ${number}: ${perSecond.toFixed(0)} requests a second, missing ${missing}, the oldest ` +
        `${oldestMs} ms before the kill, opened again in ${openMs.toFixed(0)} ms, integrity ok, rollups equal rows\n`,
    );
  }
  rmSync(folder, { recursive: true });
}
process.exit(failed ? 1 : 0);
