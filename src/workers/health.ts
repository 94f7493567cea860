import type { LedgerHealth } from '../db/ledger.js';
import type { Questions } from './workers.js';

/** What is true of several workers: sums, and what is wrong with one of them. */
export function healthOfAll(each: readonly Questions['health'][]): Questions['health'] {
  const ledgers = each.map(({ ledger }) => ledger);
  const sum = (read: (ledger: LedgerHealth) => number) =>
    ledgers.reduce((total, ledger) => total + read(ledger), 0);
  const isDegraded = ledgers.some(({ status }) => status === 'degraded');
  return {
    inFlight: each.reduce((total, { inFlight }) => total + inFlight, 0),
    ledger: {
      status: isDegraded ? 'degraded' : (ledgers[0]?.status ?? 'off'),
      queued: sum(({ queued }) => queued),
      written: sum(({ written }) => written),
      dropped: sum(({ dropped }) => dropped),
      shedSuccesses: sum(({ shedSuccesses }) => shedSuccesses),
      shedPayloads: sum(({ shedPayloads }) => shedPayloads),
      unconfirmed: sum(({ unconfirmed }) => unconfirmed),
      error: ledgers.find(({ error }) => error !== null)?.error ?? null,
    },
  };
}
