import { getTableColumns } from 'drizzle-orm';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Exchange } from '../exchange.js';
import { createPen, writeAttempt, writeExchange } from './pen.js';
import type { AttemptRow, Bindable, ExchangeRow } from './rows.js';
import { attempts, exchanges } from './schema.js';

/**
 * The rows of exchanges on their way between threads, each followed by those of its attempts: one block of numbers,
 * which is given away and not copied, and every text once. As objects they would cost both sides four times as much.
 */
export interface Sheet {
  /** How many exchanges. */
  length: number;
  /** A value for each column: NaN for null, and for a text where it stands in `texts`. */
  numbers: Float64Array;
  texts: readonly string[];
}

/** The columns of a row, in the order of its values. */
interface Form {
  names: readonly string[];
  isText: readonly boolean[];
}

/** In a sheet, the price is its text. */
export const EXCHANGE_FORM = formOf(exchanges, { omitted: 'seq', text: 'priceSeq' });
/** In a sheet, the exchange of an attempt is 0: it has no row yet. */
export const ATTEMPT_FORM = formOf(attempts);

function formOf(table: SQLiteTable, { omitted = '', text = '' } = {}): Form {
  const columns = Object.entries(getTableColumns(table)).filter(([name]) => name !== omitted);
  return {
    names: columns.map(([name]) => name),
    isText: columns.map(([name, { dataType }]) => dataType === 'string' || name === text),
  };
}

/** Where the value of a column stands. */
export const exchangeColumn = (name: keyof ExchangeRow): number => EXCHANGE_FORM.names.indexOf(name);
export const attemptColumn = (name: keyof AttemptRow): number => ATTEMPT_FORM.names.indexOf(name);

const EXCHANGE_WIDTH = EXCHANGE_FORM.names.length;
const ATTEMPT_WIDTH = ATTEMPT_FORM.names.length;
const ATTEMPTS = exchangeColumn('attempts');

/** Writes down the rows of exchanges; about half a microsecond for each. */
export function sheetOf(entries: readonly { exchange: Exchange }[]): Sheet {
  const pen = createPen(entries.reduce((size, { exchange }) => size + sizeOf(exchange), 0));
  for (const { exchange } of entries) {
    writeExchange(pen, exchange);
    for (const attempt of exchange.attempts) writeAttempt(pen, attempt);
  }
  return { length: entries.length, numbers: pen.numbers, texts: pen.texts };
}

function sizeOf({ attempts: tries }: Exchange): number {
  return EXCHANGE_WIDTH + tries.length * ATTEMPT_WIDTH;
}

/** The row of one exchange under the names of the schema. What only the database knows is null. */
export function exchangeRow(exchange: Exchange): ExchangeRow {
  const reader = readSheet(sheetOf([{ exchange: { ...exchange, attempts: [], price: null } }]));
  reader.next();
  const row = named(EXCHANGE_FORM, reader.exchange);
  return { ...row, streaming: exchange.streaming, attempts: exchange.attempts.length } as ExchangeRow;
}

/** Values under the names of their columns. */
export function named({ names }: Form, values: readonly Bindable[]): Record<string, Bindable> {
  return Object.fromEntries(names.map((name, position) => [name, values[position] ?? null]));
}

/** Reads a sheet, one row at a time. */
export interface SheetReader {
  /** Goes to the next exchange; false when there is none. */
  next(): boolean;
  /** The values of the exchange, until the next is read. Its price is a text. */
  readonly exchange: Bindable[];
  /** How many attempts it has. */
  readonly attempts: number;
  /** The values of one of its attempts, 0 for the first, until another is read. */
  attempt(number: number): Bindable[];
}

/** A reader before the first exchange. */
export function readSheet({ length, numbers, texts }: Sheet): SheetReader {
  const exchange: Bindable[] = new Array(EXCHANGE_WIDTH).fill(null);
  const attempt: Bindable[] = new Array(ATTEMPT_WIDTH).fill(null);
  let read = 0;
  let start = 0;
  let end = 0;

  function copy(values: Bindable[], isText: readonly boolean[], from: number): void {
    for (let column = 0; column < values.length; column += 1) {
      const value = numbers[from + column] ?? Number.NaN;
      values[column] = Number.isNaN(value) ? null : isText[column] ? (texts[value] ?? null) : value;
    }
  }

  return {
    exchange,
    get attempts() {
      return (end - start) / ATTEMPT_WIDTH;
    },
    next() {
      if (read === length) return false;
      read += 1;
      copy(exchange, EXCHANGE_FORM.isText, end);
      start = end + EXCHANGE_WIDTH;
      end = start + Number(exchange[ATTEMPTS]) * ATTEMPT_WIDTH;
      return true;
    },
    attempt(number) {
      copy(attempt, ATTEMPT_FORM.isText, start + number * ATTEMPT_WIDTH);
      return attempt;
    },
  };
}
