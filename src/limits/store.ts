import type { LimitsConfig } from '../config/types.js';

/** A store in this process answers at once, so that nobody waits a turn for nothing; a shared one later. */
export type Answered<Value> = Value | Promise<Value>;

/** Why a caller is refused. */
export interface Refusal {
  readonly limit: keyof LimitsConfig;
  /** What the limit is set to. */
  readonly most: number;
  /** Milliseconds until it makes sense to come back; null when the request alone is larger than the limit. */
  readonly retryAfterMs: number | null;
}

/** How far one window is used. */
export interface Standing {
  readonly limit: number;
  readonly remaining: number;
  /** Milliseconds until nothing of it is used, when nothing else comes. */
  readonly resetMs: number;
}

/** The tightest windows of a key; null when nothing limits it in that respect. */
export interface Standings {
  readonly requests: Standing | null;
  readonly tokens: Standing | null;
}

/** One request that was let in. It holds one of the key's places until it is settled. */
export interface LimitPermit {
  /**
   * Takes the tokens that the request is estimated to need, once. When they are refused, everything the request has
   * taken is given back.
   */
  reserveTokens(now: number, tokens: number): Answered<Refusal | null>;
  /** The gateway refuses the request for another reason: everything it has taken is given back, as if it had never come. */
  refuse(now: number): Answered<void>;
  /**
   * The exchange is over: its place is free again. `tokens` is what was really used; null leaves what was reserved.
   * Only the first call has an effect, and none after `refuse`.
   */
  settle(now: number, tokens: number | null): Answered<void>;
}

/**
 * Counts what API keys use. The gateway brings one that counts in its own memory (`createMemoryLimits`); gateways that
 * share their limits need one that counts in a place they share. All times are epoch milliseconds. A store that throws
 * or rejects is logged and passed over: the request is let in.
 */
export interface LimitStore {
  /** Lets a request in when all limits for requests allow it; else nothing is counted. `key` is the key's name. */
  admit(key: string, limits: LimitsConfig, now: number): Answered<LimitPermit | Refusal>;
  /** What is left to a key. */
  standings(key: string, limits: LimitsConfig, now: number): Answered<Standings>;
}
