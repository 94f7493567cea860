import assert from 'node:assert/strict';
import { openLedger } from '../../src/db/ledger.js';
import { query } from '../unit/ledger-fixture.js';

/** What a database looks like to the start after a kill. */
export interface Inspection {
  /** Ids of the exchanges that are there. */
  stored: Set<string>;
  /** How long the opening took, the recovery of the write-ahead log included. Milliseconds. */
  openMs: number;
}

/** Opens it as the next start would. Throws when it is damaged, or when rollups and rows differ. */
export async function inspect(path: string): Promise<Inspection> {
  const started = performance.now();
  const ledger = openLedger({ path });
  await ledger.flush();
  const openMs = performance.now() - started;
  await ledger.close();
  assert.deepEqual(query(path, 'pragma integrity_check'), [{ integrity_check: 'ok' }]);
  const [sums] = query(path, 'select sum(exchanges) as exchanges, sum(total_us) as total from rollups');
  const [truth] = query(path, 'select count(*) as exchanges, sum(total_us) as total from exchanges');
  assert.deepEqual(sums, truth);
  const [attempts] = query(
    path,
    `select coalesce(sum(each.value), 0) as attempts from rollups, json_each(counts) each
     where each.key like 'sent/%' or each.key like 'skipped/%'`,
  );
  assert.deepEqual(attempts, query(path, 'select count(*) as attempts from attempts')[0]);
  const rows = query<{ id: string }>(path, 'select id from exchanges');
  return { stored: new Set(rows.map(({ id }) => id)), openMs };
}
