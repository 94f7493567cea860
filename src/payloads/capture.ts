import type { CaptureMode, Config, DatabaseConfig } from '../config.js';
import { type Accumulator, createAccumulator } from '../stream/bytes.js';
import { CUT_SLACK, type Payload, PLAIN_RULES } from './prepare.js';

/** The bodies of one exchange, kept until it is known whether they are to be stored. */
export interface Capture {
  /** A new try at an upstream: what earlier ones answered is forgotten. */
  next(): CapturedTry;
  /** A try at one upstream beside another. Unless one is said to be kept, what the first answers is stored. */
  beside(): CapturedTry;
  /** What is to be stored, now that the exchange is over. Nothing is kept afterwards. */
  end(exchange: Concluded): Payload[];
}

/** What one try is answered. */
export interface CapturedTry {
  /** It begins once more, and what follows comes in pieces. */
  restart(form: Form): void;
  /** A piece of the answer, as the upstream sent it. */
  piece(bytes: Buffer): void;
  /** The whole answer, which nobody changes any more. */
  answer(bytes: Buffer): void;
  /** The exchange ends with this one: what others answer is forgotten. */
  keep(): void;
}

type Form = 'body' | 'events';

/** What decides whether bodies are stored. */
interface Concluded {
  readonly route: string | null;
  readonly outcome: string | null;
}

/** Begins captures. */
export interface Capturing {
  /**
   * Keeps the request of an exchange, its route not known yet; null when nothing of it can be stored. `own` is what
   * holds for the caller's key, null when that says nothing.
   */
  begin(own: CaptureMode | null, request: Buffer): Capture | null;
}

/** Events take about ten times the bytes of the text in them. */
const EVENTS_PER_BODY = 8;
/** What all captures together may hold. A body that finds no room is stored as cut off. Bytes. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;

/** What says which bodies are stored. Without a database, or a word about it, none is. */
export type CaptureOptions = Partial<Pick<Config, 'routes'>> & {
  readonly database?: false | Partial<Pick<DatabaseConfig, 'capture' | 'maxPayload'>>;
};

/**
 * Captures as the configuration has it: a key's setting comes before its route's, and that before the database's. No
 * body is held when none can be stored.
 */
export function createCapturing(options: CaptureOptions, maxHeld = MAX_HELD_BYTES): Capturing {
  const { database = false, routes = {} } = options;
  if (database === false) return { begin: () => null };
  const { capture: general = 'none', maxPayload = PLAIN_RULES.maxBytes } = database;
  const routed = Object.values(routes).map(({ capture }) => capture ?? general);
  const anyRoute = [general, ...routed].some((mode) => mode !== 'none');
  const room = { left: maxHeld };

  const modeOf = ({ route }: Concluded): CaptureMode =>
    (route === null ? null : routes[route]?.capture) ?? general;

  return {
    begin(own, request) {
      const possible = own === null ? anyRoute : own !== 'none';
      if (!possible) return null;
      return createCapture(request, maxPayload, room, (exchange) => {
        const mode = own ?? modeOf(exchange);
        return mode === 'all' || (mode === 'errors' && exchange.outcome !== 'ok');
      });
    },
  };
}

function createCapture(
  request: Buffer,
  maxPayload: number,
  room: { left: number },
  isWanted: (exchange: Concluded) => boolean,
): Capture {
  const limit = maxPayload + CUT_SLACK;
  let tries: KeptTry[] = [];

  function open(): CapturedTry {
    const tried = keepTry(limit, room);
    tries.push(tried);
    return {
      restart: tried.restart,
      piece: tried.piece,
      answer: tried.answer,
      keep() {
        if (tries.includes(tried)) forget(tried);
      },
    };
  }

  function forget(but: KeptTry | null): void {
    for (const tried of tries) if (tried !== but) tried.end();
    tries = tries.filter((tried) => tried === but);
  }

  return {
    next() {
      forget(null);
      return open();
    },
    beside: open,
    end(exchange) {
      const [stored] = tries;
      const payloads = isWanted(exchange)
        ? [payload('request', 'body', request, request.length, limit), ...(stored?.response() ?? [])]
        : [];
      forget(null);
      return payloads;
    },
  };
}

/** What is held of the answer to one try. */
interface KeptTry extends Omit<CapturedTry, 'keep'> {
  /** To be called once, before its end. */
  response(): Payload[];
  /** Gives its room back. What follows is not kept. */
  end(): void;
}

function keepTry(limit: number, room: { left: number }): KeptTry {
  let answered: Buffer | null = null;
  let pieces: Accumulator | null = null;
  let form: Form = 'body';
  let bytes = 0;
  let full = false;
  let ended = false;

  function forget(): void {
    room.left += pieces?.length ?? 0;
    pieces = null;
    answered = null;
    bytes = 0;
    full = false;
  }

  return {
    restart(as) {
      forget();
      form = as;
    },
    piece(chunk) {
      if (ended) return;
      bytes += chunk.length;
      if (full) return;
      pieces ??= createAccumulator();
      const most = form === 'events' ? limit * EVENTS_PER_BODY : limit;
      const kept = Math.min(chunk.length, most - pieces.length, room.left);
      pieces.append(chunk, 0, kept);
      room.left -= kept;
      // Once a part is missing, nothing that follows it is kept.
      full = kept < chunk.length;
    },
    answer(whole) {
      forget();
      if (!ended) answered = whole;
    },
    response() {
      if (answered !== null) return [payload('response', 'body', answered, answered.length, limit)];
      if (pieces === null) return [];
      // What is taken out counts no longer.
      room.left += pieces.length;
      return [payload('response', form, pieces.take(), bytes, limit)];
    },
    end() {
      forget();
      ended = true;
    },
  };
}

/** A part is copied: a view of it would hold on to the whole. */
function payload(kind: Payload['kind'], as: Form, body: Buffer, whole: number, limit: number): Payload {
  const cut = as === 'body' && body.length > limit;
  return { kind, form: as, body: cut ? Buffer.from(body.subarray(0, limit)) : body, bytes: whole };
}
