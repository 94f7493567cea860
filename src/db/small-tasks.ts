import type { Alert, AlertOrder } from './alerts.js';
import type { KeyChange, KeyResult, KeyTable } from './keys.js';
import type { SpentQuery } from './spent.js';

/** What the rest of the gateway does with the database, besides records and reports. */
export interface SmallTasks {
  keys: { input: null; output: KeyTable };
  changeKey: { input: KeyChange; output: KeyResult };
  /** Nano-USD, one for each query. */
  spent: { input: readonly SpentQuery[]; output: number[] };
  alerts: { input: AlertOrder; output: Alert[] };
}
