import type { IncomingHttpHeaders } from 'node:http';
import type { Endpoint } from '../endpoints.js';
import type { Exchange } from '../exchange.js';
import type { RequestFacts } from '../routing/facts.js';
import type { Entry } from '../routing/table.js';
import type { Usage } from '../stream/usage.js';
import type { Outgoing } from './outgoing.js';

/** A request that is to be answered by one of a route's targets. */
export interface Job {
  exchange: Exchange;
  resolution: Entry;
  /** What the choice of the target goes by. */
  facts: RequestFacts;
  endpoint: Endpoint;
  /** With its `?`, or empty. */
  query: string;
  headers: IncomingHttpHeaders;
  body: Outgoing;
  /** The caller asked for server-sent events. */
  streaming: boolean;
  /** The client asked for a stream of a kind that can report usage, but not for its usage. */
  addStreamUsage: boolean;
  /** What the exchange used, from the bytes of the answer's text; null when that cannot be told. */
  estimate(outputBytes: number): Usage | null;
}
