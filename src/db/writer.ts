import type { Database } from 'better-sqlite3';
import { countedRows } from './counted.js';
import { createTally } from './deltas.js';
import { type Payload, type PayloadRules, PLAIN_RULES, preparePayloads } from './payloads.js';
import { preparePrices } from './prices.js';
import type { Body, Rows } from './queue.js';
import { prepareRollups } from './rollups.js';
import { type Bindable, prepareValues } from './rows.js';
import { attempts, exchanges } from './schema.js';
import { prepareSessions } from './sessions-write.js';
import {
  ATTEMPT_FORM,
  attemptColumn,
  EXCHANGE_FORM,
  exchangeColumn,
  readSheet,
  type SheetReader,
} from './sheet.js';

/** Rows that are written together. */
export interface Batch extends Rows {
  /** Sent again because nobody knows what became of it: what is stored already is passed over. */
  again: boolean;
}

/** What became of a batch. */
export interface Written {
  /** Rows that are in the database now. */
  written: number;
  /** Rows the database will never take, with the first reason. */
  refused: number;
  reason: string | null;
}

/** What of a batch can be given away instead of copied. */
export function buffersOf({ sheet, bodies }: Batch): ArrayBuffer[] {
  return [sheet.numbers, sheet.ownEnds, ...bodies.map(({ payload }) => payload.body)]
    .map(({ buffer }) => buffer)
    .filter((buffer) => buffer instanceof ArrayBuffer);
}

const ID = exchangeColumn('id');
const PRICE = exchangeColumn('priceSeq');
const EXCHANGE_SEQ = attemptColumn('exchangeSeq');

/**
 * Prepares the transaction that writes a batch: rows, attempts, bodies, sessions and rollups together or not at all.
 * A row that is itself at fault is left out; any other error throws and nothing of the batch is written.
 */
export function prepareWriter(
  client: Database,
  rules: PayloadRules = PLAIN_RULES,
): (batch: Batch) => Written {
  const known = client.prepare<[Bindable]>('select 1 from exchanges where id = ?');
  const insertExchange = prepareValues(client, exchanges, EXCHANGE_FORM.names);
  const insertAttempt = prepareValues(client, attempts, ATTEMPT_FORM.names);
  const removeExchange = client.prepare<[number]>('delete from exchanges where seq = ?');
  const prices = preparePrices(client);
  const savePayloads = preparePayloads(client, rules);
  const sessions = prepareSessions(client);
  const tally = createTally();
  const rollups = prepareRollups(client);

  function insert(reader: SheetReader, payloads: readonly Payload[]): void {
    const { exchange } = reader;
    const price = exchange[PRICE];
    if (typeof price === 'string') exchange[PRICE] = prices.seqOf(price);
    const seq = insertExchange(exchange);
    try {
      for (let number = 0; number < reader.attempts(); number += 1) {
        const attempt = reader.attempt(number);
        attempt[EXCHANGE_SEQ] = seq;
        insertAttempt(attempt);
      }
      savePayloads(seq, payloads);
    } catch (error) {
      // A failed statement leaves the transaction open; the attempts already in go with the row.
      if (isRefusal(error)) removeExchange.run(seq);
      throw error;
    }
  }

  const write = client.transaction(({ sheet, bodies, again }: Batch): Written => {
    let refused = 0;
    let reason: string | null = null;
    const payloadsOf = byRow(bodies);
    const reader = readSheet(sheet);
    for (let row = 0; reader.next(); row += 1) {
      if (again && known.get(reader.exchange[ID] ?? null)) continue;
      try {
        insert(reader, payloadsOf(row));
      } catch (error) {
        if (!isRefusal(error)) throw error;
        refused += 1;
        reason ??= error.message;
        continue;
      }
      const counted = countedRows(reader);
      tally.add(counted);
      sessions.count(counted.exchange);
    }
    sessions.save();
    rollups.add(tally.take());
    return { written: sheet.length - refused, refused, reason };
  });
  return (batch) => {
    try {
      return write.immediate(batch);
    } catch (error) {
      prices.forget();
      sessions.forget();
      tally.take();
      rollups.forget();
      throw error;
    }
  };
}

const NONE: readonly Payload[] = [];

/** Rows are asked for in their order. */
function byRow(bodies: readonly Body[]): (row: number) => readonly Payload[] {
  let next = 0;
  return (row) => {
    if (bodies[next]?.row !== row) return NONE;
    const first = next;
    while (bodies[next]?.row === row) next += 1;
    return bodies.slice(first, next).map(({ payload }) => payload);
  };
}

/** Constraint violations, values too big or of a wrong type: trying again cannot help. */
function isRefusal(error: unknown): error is Error {
  if (error instanceof TypeError || error instanceof RangeError) return true;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^SQLITE_(CONSTRAINT|TOOBIG|MISMATCH)/.test(code);
}
