import type { Attempt, Exchange } from '../exchange.js';
import { audioTokens } from '../stream/usage.js';
import { priceText } from './prices.js';

/** Writes the values of a sheet, one after the other. */
export interface Pen {
  /** How many values were written. */
  readonly end: number;
  /** Texts that may stand at several places, each once. */
  readonly texts: readonly string[];
  /** Texts that stand at one place, one after the other, and where each ends. */
  ownTexts(): { joined: string; ends: Uint32Array };
  /** Makes room for so many values more. */
  reserve(count: number): void;
  /** A copy of the values between two positions. */
  copy(from: number, to: number): Float64Array;
  /** A text that others are likely to be equal to. */
  text(value: string | null): void;
  /** A text that no other is likely to be equal to. */
  ownText(value: string | null): void;
  /** Sums and histograms need whole, finite numbers of at least 0; anything else is unknown. */
  whole(value: number | null | undefined): void;
  number(value: number | null): void;
}

/** A pen with room for `size` values. */
export function createPen(size: number): Pen {
  let numbers = new Float64Array(size);
  const texts: string[] = [];
  const own: string[] = [];
  const places = new Map<string, number>();
  let end = 0;

  return {
    get end() {
      return end;
    },
    texts,
    ownTexts() {
      const ends = new Uint32Array(own.length);
      let length = 0;
      for (const [place, text] of own.entries()) {
        length += text.length;
        ends[place] = length;
      }
      return { joined: own.join(''), ends };
    },
    reserve(count) {
      if (end + count <= numbers.length) return;
      const larger = new Float64Array(Math.max(end + count, numbers.length * 2));
      larger.set(numbers);
      numbers = larger;
    },
    copy: (from, to) => numbers.slice(from, to),
    text(value) {
      let place = value === null ? Number.NaN : places.get(value);
      if (place === undefined && value !== null) {
        place = texts.push(value) - 1;
        places.set(value, place);
      }
      numbers[end++] = place ?? Number.NaN;
    },
    ownText(value) {
      numbers[end++] = value === null ? Number.NaN : -own.push(value);
    },
    whole(value) {
      const rounded = Math.round(value ?? Number.NaN);
      numbers[end++] = rounded >= 0 && rounded <= Number.MAX_SAFE_INTEGER ? rounded : Number.NaN;
    },
    number(value) {
      numbers[end++] = value ?? Number.NaN;
    },
  };
}

/**
 * The row of a settled exchange, in the order of the schema's columns. One call for each: a loop over names would take
 * four times as long.
 */
export function writeExchange(pen: Pen, exchange: Exchange): void {
  const usage = exchange.usage;
  pen.ownText(exchange.id);
  pen.number(exchange.startedAt);
  pen.ownText(exchange.correlationId);
  pen.text(exchange.key);
  pen.text(exchange.session);
  pen.text(exchange.method);
  pen.text(exchange.endpoint);
  pen.number(exchange.streaming ? 1 : 0);
  pen.text(exchange.requestedModel);
  pen.text(exchange.route);
  pen.text(exchange.policy);
  pen.text(exchange.strategy);
  pen.number(exchange.complexity);
  pen.text(exchange.tier);
  pen.text(exchange.provider);
  pen.text(exchange.model);
  pen.text(exchange.responseModel);
  pen.ownText(exchange.upstreamResponseId);
  pen.number(exchange.status);
  pen.number(exchange.upstreamStatus);
  pen.text(exchange.outcome);
  pen.text(exchange.endReason);
  pen.text(exchange.errorCode);
  pen.text(exchange.errorMessage);
  pen.text(exchange.finishReason);
  pen.whole(usage?.inputUncached);
  pen.whole(usage?.cacheRead);
  pen.whole(usage?.cacheWrite);
  pen.whole(usage?.outputText);
  pen.whole(usage?.reasoning);
  pen.whole(usage === null ? null : audioTokens(usage));
  pen.text(exchange.usageSource);
  pen.whole(exchange.costNano);
  pen.whole(usage?.providerCostNano);
  pen.whole(exchange.dearestCostNano);
  pen.text(exchange.priceSource);
  // The thread that writes knows its row.
  pen.text(exchange.price === null ? null : priceText(exchange.price));
  pen.number(exchange.attempts.length);
  pen.whole(exchange.queueUs);
  pen.whole(exchange.connectUs);
  pen.whole(exchange.headersUs);
  pen.whole(exchange.firstContentUs);
  pen.whole(exchange.lastByteUs);
  pen.whole(exchange.commitUs);
  pen.whole(exchange.totalUs);
  pen.whole(exchange.overheadUs);
  pen.whole(exchange.lagUs);
  pen.whole(exchange.bytesIn);
  pen.whole(exchange.bytesOut);
  pen.whole(exchange.chunks);
  pen.whole(exchange.largestGapUs);
}

/** The row of one attempt, in the order of the schema's columns. */
export function writeAttempt(pen: Pen, attempt: Attempt): void {
  // The thread that writes knows the row of its exchange.
  pen.number(0);
  pen.number(attempt.number);
  pen.text(attempt.provider);
  pen.text(attempt.model);
  pen.text(attempt.decision);
  pen.text(attempt.reason);
  pen.number(attempt.status);
  pen.text(attempt.error);
  pen.whole(attempt.startedUs);
  pen.whole(attempt.headersUs);
  pen.whole(attempt.firstContentUs);
  pen.whole(attempt.totalUs);
  pen.text(attempt.rateLimit);
  pen.whole(attempt.costNano);
}
