import type { Account } from './accounts.js';
import type { Quote } from './quote.js';
import type { Hold } from './tab.js';

/** What is set aside in one account. */
export interface Reservation {
  readonly account: Account;
  readonly hold: Hold;
}

/** What is set aside for one exchange. */
export interface Held {
  readonly quote: Quote;
  readonly reservations: readonly Reservation[];
}
