import type { Exchange } from '../exchange.js';
import type { RequestFacts } from '../routing/facts.js';
import type { Entry } from '../routing/table.js';

/** What an exchange has found out about one target. */
interface Asked {
  readonly id: string;
  /** How often it was tried. */
  sends: number;
  /** It is not to be tried again in this round. */
  isTried: boolean;
  /** When it wants to be asked again, epoch milliseconds; null when it did not say. */
  askedUntil: number | null;
}

const nothing: readonly string[] = [];

/**
 * What an exchange has found out about its targets so far. Most ask one target once, so nothing is made ahead. A class,
 * because there is one for each exchange.
 */
export class Progress {
  /** Only targets with a larger declared context can help; null when size is no matter. */
  largerThan: number | null = null;
  private readonly asked: Asked[] = [];
  private plain: readonly string[] = nothing;
  private skips: Set<string> | null = null;

  constructor(
    readonly exchange: Exchange,
    readonly entry: Entry,
    readonly facts: RequestFacts,
    /** How often targets may be tried again. */
    readonly retries: number,
  ) {}

  /** It is about to be tried. */
  send(id: string): void {
    this.about(id).sends += 1;
  }

  wasSent(id: string): boolean {
    return this.find(id) !== null;
  }

  /** Whether it may still be tried, in this round or a later one. */
  isLeft(id: string): boolean {
    return (this.find(id)?.sends ?? 0) <= this.retries;
  }

  isTried(id: string): boolean {
    return this.find(id)?.isTried === true;
  }

  setTried(id: string): void {
    this.about(id).isTried = true;
  }

  /** The target was not really tried: it may be picked again as if it had not been. */
  untry(id: string): void {
    const asked = this.about(id);
    asked.isTried = false;
    asked.sends = Math.max(0, asked.sends - 1);
  }

  /** The target wants to be asked again at `until`, epoch milliseconds. */
  askedToWait(id: string, until: number): void {
    this.about(id).askedUntil = until;
  }

  /** Milliseconds that every tried target asks for at least before it is tried again. */
  wait(now: number): number {
    const left = this.asked.filter(({ isTried, sends }) => isTried && sends <= this.retries);
    return Math.max(0, Math.min(...left.map(({ askedUntil }) => askedUntil ?? now)) - now);
  }

  /** Tried targets may be tried again at `at`, but for those that asked for longer. */
  beginRound(at: number): void {
    for (const asked of this.asked) if ((asked.askedUntil ?? at) <= at) asked.isTried = false;
  }

  /** The provider refused, for this request, the options that the gateway adds by itself. */
  setPlain(provider: string): void {
    this.plain = [...this.plain, provider];
  }

  isPlain(provider: string): boolean {
    return this.plain.includes(provider);
  }

  /** Whether a skip is not in the record yet. At most `limit` are. */
  isNews(skip: string, limit: number): boolean {
    this.skips ??= new Set();
    if (this.skips.has(skip) || this.skips.size >= limit) return false;
    this.skips.add(skip);
    return true;
  }

  private find(id: string): Asked | null {
    for (const asked of this.asked) if (asked.id === id) return asked;
    return null;
  }

  private about(id: string): Asked {
    const known = this.find(id);
    if (known !== null) return known;
    const asked = { id, sends: 0, isTried: false, askedUntil: null };
    this.asked.push(asked);
    return asked;
  }
}
