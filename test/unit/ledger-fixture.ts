import { join } from 'node:path';
import type { TestContext } from 'node:test';
import SQLite from 'better-sqlite3';
import { v7 as uuidv7 } from 'uuid';
import { type LedgerHealth, type LedgerLogger, type LedgerOptions, openLedger } from '../../src/db/ledger.js';
import { type Attempt, type Exchange, openExchange } from '../../src/exchange.js';
import type { Usage } from '../../src/stream/usage.js';
import { temporaryFolder } from '../helpers/folder.js';

/** A database path in a folder of its own. */
export function temporaryPath(name = 'gateway.db'): string {
  return join(temporaryFolder(), name);
}

/** A ledger that the test closes. */
export function temporaryLedger(t: TestContext, options: Partial<LedgerOptions> = {}) {
  const path = options.path ?? temporaryPath();
  const ledger = openLedger({ ...options, path });
  t.after(() => ledger.close());
  return ledger;
}

/** A new ledger that recorded these, written in two parts: `pause` of them, and the rest. */
export async function recordedInParts(t: TestContext, exchanges: readonly Exchange[], pause: number) {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  for (const [position, exchange] of exchanges.entries()) {
    if (position === pause) await ledger.flush();
    ledger.record(exchange);
  }
  await ledger.flush();
  return { path, ledger };
}

/** A settled exchange that started at `startedAt`, by default now. */
export function settled(fields: Partial<Exchange> = {}): Exchange {
  const startedAt = fields.startedAt ?? Date.now();
  return {
    ...openExchange({ method: 'POST', endpoint: '/v1/chat/completions' }),
    id: uuidv7({ msecs: startedAt }),
    startedAt,
    outcome: 'ok',
    endReason: 'complete',
    totalUs: 1000,
    ...fields,
  };
}

export function usage(fields: Partial<Usage> = {}): Usage {
  return {
    inputUncached: null,
    cacheRead: null,
    cacheWrite: null,
    outputText: null,
    reasoning: null,
    audioInput: null,
    audioOutput: null,
    providerCostNano: null,
    ...fields,
  };
}

export function attempt(fields: Partial<Attempt> = {}): Attempt {
  return {
    number: 1,
    provider: 'groq',
    model: 'llama',
    decision: 'sent',
    reason: 'answered',
    status: 200,
    error: null,
    startedUs: 0,
    connectUs: null,
    headersUs: null,
    firstContentUs: null,
    totalUs: null,
    rateLimit: null,
    costNano: null,
    ...fields,
  };
}

/** What a ledger says that has nothing to complain about. */
export function healthy(fields: Partial<LedgerHealth> = {}): LedgerHealth {
  return {
    status: 'ok',
    queued: 0,
    written: 0,
    dropped: 0,
    shedSuccesses: 0,
    shedPayloads: 0,
    unconfirmed: 0,
    error: null,
    ...fields,
  };
}

/** Resolves when `isSo`, which is asked every 5 ms. Fails after ten seconds. */
export async function until(isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error('It did not come true within 10 s.');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Runs one query on a connection of its own, so it sees only what is committed. */
export function query<Row = Record<string, unknown>>(path: string, sql: string): Row[] {
  const client = new SQLite(path, { readonly: true });
  try {
    return client.prepare<[], Row>(sql).all();
  } finally {
    client.close();
  }
}

/** Holds the write lock of a database until called. */
export function lock(t: TestContext, path: string): () => void {
  const client = new SQLite(path);
  client.exec('begin exclusive');
  t.after(() => client.close());
  return () => client.exec('rollback');
}

/** A logger that keeps its lines as `level message`. */
export function memoryLogger(): LedgerLogger & { lines: string[] } {
  const lines: string[] = [];
  const at = (level: string) => (_details: object, message: string) => {
    lines.push(`${level} ${message}`);
  };
  return { lines, info: at('info'), warn: at('warn'), error: at('error') };
}
