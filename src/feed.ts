import { Readable } from 'node:stream';

/** Sends server-sent events to whoever reads, and waits for nobody. */
export interface Feed {
  /** How many are reading, and how many of them this one subject alone. */
  readonly size: number;
  sizeOf(subject: string): number;
  /**
   * A new reader, from now on, of everything or of one subject. It is destroyed when it falls behind, ended when it
   * may not read any more (asked with an event, at most once a second), and may be destroyed at any time.
   */
  open(subject?: string, mayRead?: () => boolean): Readable;
  /** Sends one event to every reader of its subject. `data` has no line ends. */
  publish(event: string, data: string, subject: string): void;
  /** Ends every reader. */
  close(): void;
}

/** What a reader may leave unread before it is dropped, besides what its connection buffers. Bytes. */
const MAX_BEHIND = 256 * 1024;
/** Proxies close connections that are quiet for a minute. */
const PING_MS = 15_000;
/** Browsers open the stream again after this many milliseconds. */
const RETRY_MS = 3000;

/** To ask whether somebody may still read takes some microseconds. */
const RECHECK_MS = 1000;

interface Reader {
  /** The one it reads; undefined: all. */
  readonly subject: string | undefined;
  readonly mayRead: () => boolean;
  /** By the clock of `performance.now()`. */
  checkedAt: number;
}

/** A feed without readers costs nothing. `onSize` is told how many there are when the first comes and the last goes. */
export function createFeed(maxBehind = MAX_BEHIND, onSize: (size: number) => void = () => {}): Feed {
  const readers = new Map<Readable, Reader>();
  let pings: NodeJS.Timeout | null = null;

  /** Without a subject to everybody. */
  function send(text: string, subject?: string): void {
    const bytes = Buffer.from(text);
    const now = performance.now();
    for (const [reader, about] of readers) {
      const { subject: only } = about;
      if (subject !== undefined && only !== undefined && only !== subject) continue;
      if (!isStillAllowed(about, now)) {
        dismiss(reader);
        continue;
      }
      reader.push(bytes);
      if (reader.readableLength > maxBehind) reader.destroy();
    }
  }

  function leave(reader: Readable): void {
    readers.delete(reader);
    if (readers.size > 0 || pings === null) return;
    clearInterval(pings);
    pings = null;
    onSize(0);
  }

  function dismiss(reader: Readable): void {
    leave(reader);
    reader.push(null);
  }

  return {
    get size() {
      return readers.size;
    },
    sizeOf: (subject) => [...readers.values()].filter((reader) => reader.subject === subject).length,
    open(subject, mayRead = () => true) {
      const reader = new Readable({
        read() {},
        destroy(error, callback) {
          leave(reader);
          callback(error);
        },
      });
      readers.set(reader, { subject, mayRead, checkedAt: performance.now() });
      if (readers.size === 1) onSize(1);
      pings ??= setInterval(() => send(': ping\n\n'), PING_MS).unref();
      reader.push(`retry: ${RETRY_MS}\n\n`);
      return reader;
    },
    publish: (event, data, subject) => send(`event: ${event}\ndata: ${data}\n\n`, subject),
    close() {
      for (const reader of [...readers.keys()]) dismiss(reader);
    },
  };
}

function isStillAllowed(reader: Reader, now: number): boolean {
  if (now - reader.checkedAt < RECHECK_MS) return true;
  reader.checkedAt = now;
  return reader.mayRead();
}
