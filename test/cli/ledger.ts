import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openLedger, type Payload } from '../../src/db/ledger.js';
import type { Exchange } from '../../src/exchange.js';
import { temporaryFolder } from '../helpers/gateway.js';

/** A database file that holds these, closed. */
export async function databaseWith(
  t: TestContext,
  exchanges: readonly Exchange[],
  payloads: readonly Payload[] = [],
): Promise<string> {
  const path = join(temporaryFolder(t), 'gateway.db');
  const ledger = openLedger({ path });
  for (const exchange of exchanges) ledger.record(exchange, payloads);
  await ledger.flush();
  await ledger.close();
  return path;
}
