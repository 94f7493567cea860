import { Readable } from 'node:stream';
import { createBoundary } from './boundary.js';

const PING = Buffer.from(': ping\n\n');
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

export interface PingOptions {
  /** How long nothing may have been written before a comment goes out, in milliseconds. */
  intervalMs: number;
  /** Called for every comment, with its bytes. */
  onPing?(bytes: number): void;
}

/** A stream of events that keeps its connection busy with comments, also while there is nothing to send yet. */
export interface Pinged {
  /** What the client gets. Destroying it destroys the source. */
  readonly output: Readable;
  /**
   * The answer, once there is one: its bytes, its end and its failure become those of `output`. A source that comes
   * after the end of `output` is destroyed.
   *
   * @throws Error if there is a source already
   */
  attach(source: Readable): void;
  /** Writes an event of the gateway's own. Bytes of the source that break off inside an event are ended first. */
  say(event: Buffer): void;
  /** No more comes: a source that has not ended is destroyed. */
  end(): void;
}

/**
 * Comments are written between two events only, and only while the client has taken everything before, so that a slow
 * one is not buried in them. The source is read as fast as the client takes it: at most one read of it waits here.
 *
 * @example
 * const pinged = createPinged({ intervalMs: 15_000 });
 * reply.send(pinged.output);
 * pinged.attach(await answer());
 */
export function createPinged({ intervalMs, onPing }: PingOptions): Pinged {
  const boundary = createBoundary();
  let source: Readable | null = null;
  let begun = false;
  let over = false;
  let timer: NodeJS.Timeout | undefined;
  const output = new Readable({
    highWaterMark: 1,
    read() {
      source?.resume();
    },
    destroy(error, callback) {
      stop();
      source?.destroy();
      callback(error);
    },
  });
  arm();

  function arm(): void {
    clearTimeout(timer);
    timer = setTimeout(ring, intervalMs);
    timer.unref();
  }

  function ring(): void {
    if (!boundary.isReached() || output.readableLength > 0) {
      arm();
      return;
    }
    onPing?.(PING.length);
    write(PING);
  }

  function write(bytes: Buffer): void {
    if (over || bytes.length === 0) return;
    begun = true;
    boundary.written(bytes);
    arm();
    if (!output.push(bytes)) source?.pause();
  }

  function attach(next: Readable): void {
    if (source !== null) throw new Error('This stream has a source already.');
    source = next;
    next.on('error', fail);
    if (over) {
      next.destroy();
      return;
    }
    next.once('data', (chunk: Buffer) => {
      // A byte order mark is one at the very beginning only; behind a comment it would spoil the first event.
      write(begun && chunk.subarray(0, BOM.length).equals(BOM) ? chunk.subarray(BOM.length) : chunk);
      next.on('data', write);
    });
    next.on('end', finish);
    next.on('close', () => fail(null));
    if (output.readableLength > 0) next.pause();
    // What was over before it came here raises no event any more.
    if (next.readableEnded) finish();
    else if (next.destroyed) fail(next.errored);
  }

  function fail(error: Error | null): void {
    if (over) return;
    stop();
    output.destroy(error ?? undefined);
  }

  function finish(): void {
    if (over) return;
    stop();
    output.push(null);
  }

  function stop(): void {
    over = true;
    clearTimeout(timer);
  }

  return {
    output,
    attach,
    say(event) {
      write(boundary.isReached() ? event : Buffer.concat([Buffer.from('\n\n'), event]));
    },
    end() {
      finish();
      source?.destroy();
    },
  };
}
