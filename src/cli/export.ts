import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Database } from 'better-sqlite3';
import { exportHead } from '../db/export.js';
import { parseExportQuery } from '../db/queries.js';
import { createReports } from '../db/read.js';
import type { ExportPart, ExportQuery } from '../db/reports.js';
import { scanExchanges } from '../db/scan.js';
import type { Values } from './commands.js';
import { withReader } from './database.js';
import { CommandError } from './failure.js';
import { bytesText } from './format.js';
import { endWithReader, stopSignal, write } from './output.js';
import { parsed } from './parsed.js';

/** Read at once with their bodies, which may be megabytes each. */
const PAGE_BODIES = 10;

/** Writes exchanges, oldest first, as JSON lines or CSV. */
export async function exportExchanges(file: string | null, values: Values): Promise<void> {
  const query = parsed(() => queryOf(values));
  if (query.format === 'csv' && values.payloads !== undefined) {
    throw new CommandError('--payloads needs --format jsonl: a body is no cell of a table', 2);
  }
  const partsOf = values.payloads === undefined ? textParts : fullParts;
  await withReader({ file, db: values.db }, (client) => send(values.output, partsOf(client, query)));
}

function queryOf({ format, since, until }: Values): ExportQuery {
  const given = {
    sort: 'started_at',
    ...(format !== undefined && { format }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
  };
  return parseExportQuery(given, Date.now());
}

/** Also to a slow reader: a page is read when the one before is written. */
async function send(path: string | undefined, parts: AsyncIterable<string>): Promise<void> {
  const signal = stopSignal();
  // Bodies may be in it, and what people say to each other.
  const target = path === undefined ? process.stdout : createWriteStream(path, { mode: 0o600 });
  if (path === undefined) endWithReader();
  else await opened(target, path);
  let bytes = 0;
  for await (const text of parts) {
    if (signal.aborted) break;
    bytes += Buffer.byteLength(text);
    await write(target, text, signal);
  }
  if (target !== process.stdout) await finished(target.end());
  const stopped = signal.aborted ? ', stopped before the end' : '';
  process.stderr.write(`${bytesText(bytes)}${path === undefined ? '' : ` in ${path}`}${stopped}\n`);
  if (signal.aborted) process.exitCode = 130;
}

async function opened(target: NodeJS.WritableStream, path: string): Promise<void> {
  try {
    await once(target, 'open');
  } catch (error) {
    throw new CommandError(
      `cannot write to ${path}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

async function* textParts(client: Database, query: ExportQuery): AsyncGenerator<string> {
  const reports = createReports(client);
  yield exportHead(query.format);
  for (let after: string | null = null; ; ) {
    const part: ExportPart = await reports.export({ ...query, after });
    yield part.text;
    after = part.after;
    if (after === null) return;
  }
}

/** With attempts and bodies, which may be megabytes each. */
async function* fullParts(client: Database, query: ExportQuery): AsyncGenerator<string> {
  const reports = createReports(client);
  for (let after: string | null = null; ; ) {
    const { rows, after: next } = scanExchanges(client, { ...query, limit: PAGE_BODIES, after });
    for (const { id } of rows) yield `${JSON.stringify(await reports.exchange(id))}\n`;
    after = next;
    if (after === null) return;
  }
}
