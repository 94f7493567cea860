import createError from '@fastify/error';
import type { Reports } from './reports.js';

/** There are no reports because the configuration has `database: false`. */
export const LedgerOffError = createError<[]>(
  'LLM_GATEWAY_LEDGER_OFF',
  'the ledger is off: set "database" in the configuration to record exchanges',
  404,
);

/** Reports that reject with `LLM_GATEWAY_LEDGER_OFF`. */
export function reportsOff(): Reports {
  const off = async () => {
    throw new LedgerOffError();
  };
  return { totals: off, exchanges: off, exchange: off };
}
