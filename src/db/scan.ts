import type { Database } from 'better-sqlite3';
import { prepareHop } from './hops.js';
import { CLOCK_SLACK_MS, type IdRange, idAfter, idRange, instantOf } from './ids.js';
import type { ExchangeRecord } from './present.js';
import type { ExchangeFilter, ExchangeQuery } from './reports.js';
import type { Bindable } from './rows.js';
import { exchanges } from './schema.js';
import { selectOf } from './select.js';
import { floorTo, HOUR_MS } from './spans.js';

/** What was found, and where to go on: null at the end. */
export interface Found {
  rows: ExchangeRecord[];
  after: string | null;
}

/** Rows looked at together. */
const SLICE_ROWS = 500;
/** Rows looked at for one page: some 4 ms. A filter that matches little must not walk ten million for it. */
const MAX_SCANNED = 3000;

const COLUMNS = selectOf(exchanges);

/** A part of the rows that has an index of its own, in the order of ids. */
interface Lane {
  index: string;
  sql: string;
  values: Bindable[];
}

/** Finds up to `limit` exchanges, in the order of their ids. */
export function scanExchanges(client: Database, query: ExchangeQuery): Found {
  const { filter, limit, after, sort = 'newest' } = query;
  const isBack = sort === 'newest';
  const lane = laneOf(filter);
  const { sql, values } = conditionsOf(filter);
  const order = isBack ? 'desc' : 'asc';
  const from = `from exchanges indexed by ${lane.index} where ${lane.sql} and id >= ? and id < ?`;
  const slice = client
    .prepare<Bindable[], [string | null, number]>(
      `select ${isBack ? 'min' : 'max'}(id), count(*)
       from (select id ${from} order by id ${order} limit ${SLICE_ROWS})`,
    )
    .raw();
  const matches = client.prepare<Bindable[], ExchangeRecord>(
    `select ${COLUMNS} ${from} ${sql} order by id ${order} limit ?`,
  );

  const rows: ExchangeRecord[] = [];
  let scanned = 0;
  for (const range of rangesOf(client, query, isBack)) {
    for (;;) {
      const [edge, count] = slice.get(...lane.values, range.from, range.to) ?? [null, 0];
      if (edge === null) break;
      const part = isBack ? { from: edge, to: range.to } : { from: range.from, to: idAfter(edge) };
      const wanted = limit + 1 - rows.length;
      rows.push(...matches.all(...lane.values, part.from, part.to, ...values, wanted));
      if (rows.length > limit) {
        const shown = rows.slice(0, limit);
        return { rows: shown.map(withBooleans), after: shown.at(-1)?.id ?? after };
      }
      scanned += count;
      if (scanned >= MAX_SCANNED) return { rows: rows.map(withBooleans), after: edge };
      if (count < SLICE_ROWS) break;
      if (isBack) range.to = edge;
      else range.from = idAfter(edge);
    }
  }
  return { rows: rows.map(withBooleans), after: null };
}

/** The ranges of ids in which there can be matches, in the order of the list. */
function* rangesOf(
  client: Database,
  { filter, after }: ExchangeQuery,
  isBack: boolean,
): IterableIterator<IdRange> {
  const range = idRange(filter.since, filter.until);
  if (after !== null && isBack && after < range.to) range.to = after;
  if (after !== null && !isBack && after >= range.from) range.from = idAfter(after);
  const hop = prepareHop(client, filter, isBack ? 'back' : 'on');
  if (hop === null) {
    yield range;
    return;
  }
  const edge = isBack ? instantOf(range.to) + CLOCK_SLACK_MS : instantOf(range.from) - CLOCK_SLACK_MS;
  let hour = hop(floorTo(HOUR_MS, edge));
  while (hour !== null && range.from < range.to) {
    const part = overlap(range, idRange(hour, hour + HOUR_MS));
    if (part.from < part.to) {
      yield { ...part };
      if (isBack) range.to = part.from;
      else range.from = part.to;
    } else if (isBack ? part.to <= range.from : part.from >= range.to) {
      return;
    }
    hour = hop(isBack ? hour - HOUR_MS : hour + HOUR_MS);
  }
}

function overlap(left: IdRange, right: IdRange): IdRange {
  return {
    from: left.from > right.from ? left.from : right.from,
    to: left.to < right.to ? left.to : right.to,
  };
}

function laneOf({ session, outcome, status, error }: ExchangeFilter): Lane {
  if (session !== undefined) return { index: 'exchanges_session', sql: 'session = ?', values: [session] };
  const isNotable =
    (outcome !== undefined && outcome !== 'ok') ||
    (status !== undefined && status >= 400) ||
    error !== undefined;
  if (isNotable) return { index: 'exchanges_notable', sql: `outcome <> 'ok'`, values: [] };
  return { index: 'exchanges_id_unique', sql: 'true', values: [] };
}

function conditionsOf(filter: ExchangeFilter): { sql: string; values: Bindable[] } {
  const conditions: string[] = [];
  const values: Bindable[] = [];
  const require = (condition: string, ...bound: Bindable[]) => {
    conditions.push(`and ${condition}`);
    values.push(...bound);
  };
  for (const name of ['provider', 'model', 'route', 'key', 'outcome', 'status'] as const) {
    const value = filter[name];
    if (value !== undefined) require(`"${name}" = ?`, value);
  }
  if (filter.minTotalMs !== undefined) require('total_us >= ?', Math.ceil(filter.minTotalMs * 1000));
  if (filter.error !== undefined) {
    const pattern = `%${filter.error.replace(/[\\%_]/g, '\\$&')}%`;
    require(`(error_message like ? escape '\\' or error_code like ? escape '\\')`, pattern, pattern);
  }
  if (filter.since !== undefined) require('started_at >= ?', filter.since);
  if (filter.until !== undefined) require('started_at < ?', filter.until);
  return { sql: conditions.join(' '), values };
}

/** SQLite has none. */
function withBooleans(row: ExchangeRecord): ExchangeRecord {
  return { ...row, streaming: Boolean(row.streaming) };
}
