/** What a provider says is left of one of its rate limits. What it does not say is null. */
export interface Quota {
  resource: 'requests' | 'tokens';
  /** The period the limit is for, milliseconds. */
  windowMs: number | null;
  limit: number | null;
  remaining: number | null;
  /** When the provider says the limit is whole again, epoch milliseconds. */
  resetAt: number | null;
  /** What it was read from, for operators: a header's name, or `body`. */
  source: string;
}
