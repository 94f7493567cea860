import type { RequestFacts } from './facts.js';
import type { Entry } from './table.js';

/** First content is learned apart for each kind of request: of a stream and of a whole answer it is not the same. */
export function speedKind({ endpoint, streaming }: RequestFacts): string {
  return streaming ? `${endpoint} stream` : `${endpoint} whole`;
}

/** The length of answers is a matter of what a route is used for. */
export function outputKind({ name }: Entry, { endpoint }: RequestFacts): string {
  return `${endpoint} ${name}`;
}

const MAX_SESSION = 300;

/** Two callers may use the same session id for different conversations. Null: there is no session. */
export function sessionKey(entry: Entry, { caller, session }: RequestFacts): string | null {
  return session === null ? null : `${entry.name} ${caller ?? ''} ${session.slice(0, MAX_SESSION)}`;
}
