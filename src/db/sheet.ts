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
  /**
   * A value for each column: NaN for null. For a text where it stands in `texts`, or below zero which one of the own
   * texts it is: -1 for the first.
   */
  numbers: Float64Array;
  texts: readonly string[];
  /** Ids and the like, one after the other: a thousand strings would take a millisecond to copy, one takes none. */
  ownTexts: string;
  /** Where in it each ends. */
  ownEnds: Uint32Array;
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

/** A sheet that is being written. */
export interface Draft {
  /** How many exchanges are in it. */
  readonly length: number;
  /** Writes down an exchange, which is not needed after. Takes about half a microsecond. */
  write(exchange: Exchange): void;
  /** What of it can be sent: the exchanges of these numbers, which ascend. */
  sheet(rows: readonly number[]): Sheet;
}

const FIRST_ROWS = 16;

/** A sheet with nothing in it. */
export function createDraft(): Draft {
  const pen = createPen(FIRST_ROWS * (EXCHANGE_WIDTH + ATTEMPT_WIDTH));
  const starts: number[] = [];

  function rowsOf(rows: readonly number[]): Float64Array {
    const parts = rows.map((row) => pen.copy(starts[row] ?? 0, starts[row + 1] ?? pen.end));
    const numbers = new Float64Array(parts.reduce((size, part) => size + part.length, 0));
    let end = 0;
    for (const part of parts) {
      numbers.set(part, end);
      end += part.length;
    }
    return numbers;
  }

  return {
    get length() {
      return starts.length;
    },
    write(exchange) {
      const { attempts: tries } = exchange;
      pen.reserve(EXCHANGE_WIDTH + tries.length * ATTEMPT_WIDTH);
      starts.push(pen.end);
      writeExchange(pen, exchange);
      for (const attempt of tries) writeAttempt(pen, attempt);
    },
    sheet(rows) {
      const numbers = rows.length === starts.length ? pen.copy(0, pen.end) : rowsOf(rows);
      const { joined, ends } = pen.ownTexts();
      return { length: rows.length, numbers, texts: pen.texts, ownTexts: joined, ownEnds: ends };
    },
  };
}

/** The sheet of some exchanges. */
export function sheetOf(all: readonly Exchange[]): Sheet {
  const draft = createDraft();
  for (const exchange of all) draft.write(exchange);
  return draft.sheet([...all.keys()]);
}

/** The row of one exchange under the names of the schema. What only the database knows is null. */
export function exchangeRow(exchange: Exchange): ExchangeRow {
  const reader = readSheet(sheetOf([{ ...exchange, attempts: [], price: null }]));
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
  attempts(): number;
  /** The values of one of its attempts, 0 for the first, until another is read. */
  attempt(number: number): Bindable[];
}

/** A reader before the first exchange. */
export function readSheet({ length, numbers, texts, ownTexts, ownEnds }: Sheet): SheetReader {
  const exchange: Bindable[] = new Array(EXCHANGE_WIDTH).fill(null);
  const attempt: Bindable[] = new Array(ATTEMPT_WIDTH).fill(null);
  let read = 0;
  let start = 0;
  let end = 0;

  function copy(values: Bindable[], isText: readonly boolean[], from: number): void {
    for (let column = 0; column < values.length; column += 1) {
      const value = numbers[from + column] ?? Number.NaN;
      values[column] = Number.isNaN(value) ? null : isText[column] ? textAt(value) : value;
    }
  }

  function textAt(place: number): string | null {
    if (place >= 0) return texts[place] ?? null;
    return ownTexts.slice(ownEnds[-place - 2] ?? 0, ownEnds[-place - 1]);
  }

  return {
    exchange,
    attempts: () => (end - start) / ATTEMPT_WIDTH,
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
