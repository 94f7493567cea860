import createError from '@fastify/error';
import type { Reports } from './reports.js';
import type { Sessions } from './sessions.js';

/** There are no reports because the configuration has `database: false`. */
export const LedgerOffError = createError<[]>(
  'LLM_GATEWAY_LEDGER_OFF',
  'the ledger is off: set "database" in the configuration to record exchanges',
  404,
);

/** A report could not be made: the database cannot be read now. */
export const LedgerUnavailableError = createError<[cause: string]>(
  'LLM_GATEWAY_LEDGER_UNAVAILABLE',
  'the ledger cannot be read: %s',
  503,
);

/** Reports that reject with `LLM_GATEWAY_LEDGER_OFF`. */
export function reportsOff(): Reports {
  return {
    totals: off,
    exchanges: off,
    exchange: off,
    sessions: off,
    export: off,
    json: off,
    remove: off,
  };
}

/** Sessions that reject with `LLM_GATEWAY_LEDGER_OFF`. */
export function sessionsOff(): Sessions {
  return { list: off, find: off, keysOf: off, remove: off };
}

async function off(): Promise<never> {
  throw new LedgerOffError();
}
