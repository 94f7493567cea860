import { join } from 'node:path';
import { openLedger, type Payload } from '../../src/db/ledger.js';
import type { Exchange } from '../../src/exchange.js';
import { temporaryFolder } from '../helpers/gateway.js';

/** A database file that holds these, closed. */
export async function databaseWith(
  exchanges: readonly Exchange[],
  payloads: readonly Payload[] = [],
): Promise<string> {
  const path = join(temporaryFolder(), 'gateway.db');
  const ledger = openLedger({ path });
  for (const exchange of exchanges) ledger.record(exchange, payloads);
  await ledger.flush();
  await ledger.close();
  return path;
}
