import type { Database } from 'better-sqlite3';
import type { StoredRows } from './deltas.js';
import { type Payload, type PayloadRules, PLAIN_RULES, preparePayloads } from './payloads.js';
import { preparePrices, priceText } from './prices.js';
import type { Entry } from './queue.js';
import { prepareRollups } from './rollups.js';
import { type AttemptRow, attemptRow, type ExchangeRow, exchangeRow, prepareInsert } from './rows.js';
import { attempts, exchanges } from './schema.js';
import { prepareSessions } from './sessions-write.js';

/** One exchange as it travels to the writer. The attempts do not know yet which row they belong to. */
export interface Parcel {
  exchange: ExchangeRow;
  attempts: AttemptRow[];
  /** The text of the price that the cost was computed with. */
  price: string | null;
  payloads: readonly Payload[];
}

/** Rows that are written together. */
export interface Batch {
  parcels: readonly Parcel[];
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

/** The form in which an exchange leaves the thread that served it. Its bodies are copies, which can be given away. */
export function parcelOf({ exchange, payloads }: Entry): Parcel {
  return {
    exchange: exchangeRow(exchange),
    attempts: exchange.attempts.map((attempt) => attemptRow(0, attempt)),
    price: exchange.price === null ? null : priceText(exchange.price),
    payloads: payloads.map((payload) => ({ ...payload, body: new Uint8Array(payload.body) })),
  };
}

/**
 * Prepares the transaction that writes a batch: rows, attempts, bodies, sessions and rollups together or not at all.
 * A row that is itself at fault is left out; any other error throws and nothing of the batch is written.
 */
export function prepareWriter(
  client: Database,
  rules: PayloadRules = PLAIN_RULES,
): (batch: Batch) => Written {
  const known = client.prepare<[string | null]>('select 1 from exchanges where id = ?');
  const insertExchange = prepareInsert<ExchangeRow>(client, exchanges, { omit: 'seq' });
  const insertAttempt = prepareInsert(client, attempts);
  const removeExchange = client.prepare<[number]>('delete from exchanges where seq = ?');
  const prices = preparePrices(client);
  const savePayloads = preparePayloads(client, rules);
  const saveSessions = prepareSessions(client);
  const saveRollups = prepareRollups(client);

  const insert = ({ exchange, attempts: tries, price, payloads }: Parcel): StoredRows => {
    if (price !== null) exchange.priceSeq = prices.seqOf(price);
    const seq = insertExchange(exchange);
    try {
      for (const attempt of tries) insertAttempt({ ...attempt, exchangeSeq: seq });
      savePayloads(seq, payloads);
      return { exchange, attempts: tries };
    } catch (error) {
      // A failed statement leaves the transaction open; the attempts already in go with the row.
      if (isRefusal(error)) removeExchange.run(seq);
      throw error;
    }
  };

  const write = client.transaction(({ parcels, again }: Batch): Written => {
    const stored: StoredRows[] = [];
    let refused = 0;
    let reason: string | null = null;
    for (const parcel of parcels) {
      if (again && known.get(parcel.exchange.id)) continue;
      try {
        stored.push(insert(parcel));
      } catch (error) {
        if (!isRefusal(error)) throw error;
        refused += 1;
        reason ??= error.message;
      }
    }
    const rows = stored.map(({ exchange }) => exchange);
    saveSessions(rows);
    saveRollups(stored);
    return { written: parcels.length - refused, refused, reason };
  });
  return (batch) => {
    try {
      return write.immediate(batch);
    } catch (error) {
      prices.forget();
      throw error;
    }
  };
}

/** Constraint violations, values too big or of a wrong type: trying again cannot help. */
function isRefusal(error: unknown): error is Error {
  if (error instanceof TypeError || error instanceof RangeError) return true;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^SQLITE_(CONSTRAINT|TOOBIG|MISMATCH)/.test(code);
}
