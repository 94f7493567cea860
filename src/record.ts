import type { Held } from './budgets/held.js';
import type { BudgetConfig, CaptureMode, LimitsConfig, Price } from './config/types.js';
import type { LimitPermit } from './limits/store.js';
import type { Capture } from './payloads/capture.js';
import type { Allowed } from './routing/allowed.js';
import type { Usage } from './stream/usage.js';

/** How an exchange ended, in one word. */
export type Outcome = 'ok' | 'rejected' | 'failed' | 'aborted' | 'truncated';

/** The precise event that ended an exchange. */
export type EndReason =
  | 'complete'
  // rejected: the gateway or its host said no before any upstream call
  | 'invalid_request'
  | 'body_too_large'
  | 'unauthorized'
  | 'forbidden'
  | 'rate_limited'
  | 'budget_exhausted'
  | 'not_found'
  | 'no_route'
  | 'no_available_target'
  | 'rejected_by_host'
  // failed, or truncated when it happened after the commit point
  | 'upstream_error'
  | 'upstream_unreachable'
  | 'upstream_reset'
  | 'upstream_invalid'
  | 'upstream_incomplete'
  | 'connect_timeout'
  | 'first_byte_timeout'
  | 'idle_timeout'
  | 'total_timeout'
  | 'shutdown'
  | 'internal_error'
  // aborted
  | 'client_gone'
  | 'client_timeout';

/** Who takes part: a key, or an anonymous caller on a loopback address. */
export interface Caller {
  /** Name of the key; null for an anonymous caller. */
  name: string | null;
  scopes: ReadonlySet<string>;
  /** What this caller may name as `model`; null means everything. */
  allowed: Allowed | null;
  limits: LimitsConfig | null;
  budget: BudgetConfig | null;
  /** The policy that holds for all it asks. */
  policy: string | null;
  /** Whether its bodies are stored; null: as the route says. */
  capture: CaptureMode | null;
}

/** Why an exchange was told to stop before its answer was complete. `superseded`: another answer was sent instead. */
export type CancelReason = 'client_gone' | 'shutdown' | 'superseded';

/** The reading of an answer whose client has left. */
export interface Draining {
  /** Resolves when what was used is in the record. */
  readonly ended: Promise<void>;
  /** Ends the reading early. */
  stop(): void;
  /** Called when the reading is over. */
  end(): void;
}

export type UsageSource = 'reported' | 'estimated' | 'none';

/** One try at one target, or the decision to skip it. Durations are integer microseconds. */
export interface Attempt {
  /** 1 for the first. */
  number: number;
  provider: string;
  model: string;
  decision: 'sent' | 'skipped';
  /** Why it was skipped, or how the try ended: `answered`, `http_429`, `upstream_reset`, ... */
  reason: string | null;
  /** The upstream's HTTP status. */
  status: number | null;
  error: string | null;
  /** When the try began, in microseconds after the exchange's start. */
  startedUs: number;
  /** Until a connection took the request, from `startedUs`; null when none did. */
  connectUs: number | null;
  headersUs: number | null;
  firstContentUs: number | null;
  /** Whole duration of the try. */
  totalUs: number | null;
  /** The rate-limit headers the upstream sent, as a JSON object; null when it sent none. */
  rateLimit: string | null;
  /** What the exchange costs, on the attempt that answered it; integer nano-USD. */
  costNano: number | null;
}

/**
 * One client request and its answer: opened in `onRequest`, settled exactly once.
 * Fields are either measured or `null`. Durations are integer microseconds after the start.
 */
export interface Exchange {
  // Live state, not part of the record.
  /** Where it stands among the exchanges in flight; null when it is none of them. */
  place: number | null;
  caller: Caller | null;
  /** Why the work must stop; null while it may go on. */
  cancelled: CancelReason | null;
  /** Stops the work in hand. Whoever works on the exchange sets it, and clears it when done. */
  onCancel: (() => void) | null;
  /** The client has left, and the answer is read on for the record; null when it is not. */
  draining: Draining | null;
  /**
   * Takes the tokens of the request from what its caller may use, before it is sent anywhere. Throws a `GatewayError`
   * 429 when they are not there. Null: nothing bounds them.
   */
  reserveTokens: ((tokens: number) => void | Promise<void>) | null;
  /** The place and the tokens that the exchange takes of what its key may use. */
  limitPermit: LimitPermit | null;
  /** What is set aside for it in budgets; null when nothing is, or not yet. */
  budgetHold: Held | 'settled' | null;
  /** What is left to do once the record is complete; null when there is nothing. */
  onSettled: ((exchange: Exchange) => void)[] | null;
  /** When the gateway first saw the request: what came before was the host's. */
  enteredUs: number;
  /** When the caller was let in, and when the request body was complete: the upload between is not overhead. */
  admittedUs: number;
  receivedUs: number;
  /** Time spent waiting for upstreams before the commit point. */
  upstreamUs: number;
  /** The last byte of the answer was handed to the client's socket. */
  delivered: boolean;
  /**
   * Under `strict` durability: to be called when the exchange is concluded, and its last byte held back until the
   * promise resolves. It never rejects. Completes the record with the status and the length of the answer, if that
   * is not known already. Null under `relaxed`.
   */
  seal: ((status: number, bytesOut: number | null) => Promise<void>) | null;
  /** The bodies, until it is known whether they are to be stored; null when they are not. */
  capture: Capture | null;

  /** UUIDv7; sorts by start time. */
  readonly id: string;
  /** The caller's own `x-request-id`. */
  correlationId: string | null;
  /** Unix epoch, milliseconds. */
  readonly startedAt: number;
  /** `performance.now()` at the start; every duration counts from here. */
  readonly startTick: number;
  /** Name of the API key, never the key. */
  key: string | null;
  session: string | null;
  method: string;
  /** Path below the prefix, without query string, at most 200 characters. */
  endpoint: string;
  streaming: boolean;
  requestedModel: string | null;
  route: string | null;
  policy: string | null;
  strategy: string | null;
  complexity: number | null;
  tier: string | null;
  provider: string | null;
  model: string | null;
  responseModel: string | null;
  upstreamResponseId: string | null;
  /** HTTP status sent to the client. */
  status: number | null;
  upstreamStatus: number | null;
  outcome: Outcome | null;
  endReason: EndReason | null;
  errorCode: string | null;
  errorMessage: string | null;
  finishReason: string | null;
  usage: Usage | null;
  usageSource: UsageSource;
  /** Computed from the target's price, integer nano-USD. */
  costNano: number | null;
  /** What the dearest target that could have been tried would have cost, integer nano-USD. */
  dearestCostNano: number | null;
  priceSource: string | null;
  /** The price that `costNano` was computed with. */
  price: Price | null;
  attempts: Attempt[];
  /** Time spent waiting in a route's queue. */
  queueUs: number | null;
  /** How long the attempt that answered waited until a connection took it: next to nothing when one was open. */
  connectUs: number | null;
  headersUs: number | null;
  firstContentUs: number | null;
  lastByteUs: number | null;
  /** The commit point. */
  commitUs: number | null;
  totalUs: number | null;
  /** The gateway's own share of the time up to the commit point. */
  overheadUs: number | null;
  /** Event-loop lag while the exchange ran. */
  lagUs: number | null;
  bytesIn: number | null;
  bytesOut: number | null;
  /** Server-sent events the upstream sent, the terminator among them. */
  chunks: number | null;
  largestGapUs: number | null;
}
