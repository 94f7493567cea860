import { parseTotalsQuery } from '../db/queries.js';
import { createReports } from '../db/read.js';
import type { Counters, Group, TotalsQuery } from '../db/reports.js';
import type { Values } from './commands.js';
import { withReader } from './database.js';
import { countText, durationText, tableLines, usdText } from './format.js';
import { endWithReader, printable } from './output.js';
import { parsed } from './parsed.js';

const HEADINGS = ['exchanges', 'errors', 'tokens in', 'tokens out', 'cost', 'p50', 'p95', 'first p50'];

/** Prints a table of what the ledger counted, read from the file, so that no gateway has to run. */
export async function stats(file: string | null, values: Values): Promise<void> {
  endWithReader();
  const query = parsed(() =>
    parseTotalsQuery(
      {
        ...(values.since !== undefined && { since: values.since }),
        ...(values.until !== undefined && { until: values.until }),
        group_by: values.by ?? 'provider,model',
      },
      Date.now(),
    ),
  );
  const { totals, data } = await withReader({ file, db: values.db }, (client) =>
    createReports(client).totals(query),
  );
  process.stdout.write(
    values.json === undefined
      ? `${text(query, totals, data)}\n`
      : `${JSON.stringify({ ...windowOf(query), group_by: query.groupBy, totals, data })}\n`,
  );
}

function windowOf({ window }: TotalsQuery) {
  return { since: new Date(window.since).toISOString(), until: new Date(window.until).toISOString() };
}

function text(query: TotalsQuery, totals: Counters, data: readonly Group[]): string {
  const { groupBy } = query;
  const { since, until } = windowOf(query);
  const rows = data.map((group) => [...groupBy.map((name) => nameOf(group, name)), ...cells(group)]);
  const all = ['all', ...groupBy.slice(1).map(() => ''), ...cells(totals)];
  const lines = tableLines([[...groupBy, ...HEADINGS], ...rows, all], groupBy.length);
  return [`${since} to ${until}`, '', ...lines].join('\n');
}

/** Null is the group of what reached none. */
function nameOf(group: Group, name: string): string {
  const value: unknown = Reflect.get(group, name);
  return typeof value === 'string' ? printable(value) : '(none)';
}

function cells(counters: Counters): string[] {
  return [
    countText(counters.exchanges),
    countText(counters.failed + counters.truncated),
    countText(counters.input_tokens),
    countText(counters.output_tokens),
    usdText(counters.cost_usd),
    durationText(counters.total_ms.p50),
    durationText(counters.total_ms.p95),
    durationText(counters.first_content_ms.p50),
  ];
}
