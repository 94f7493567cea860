import { ServerResponse } from 'node:http';
import { Readable, type ReadableOptions } from 'node:stream';

export interface OutputOptions {
  /** The consumer takes more. */
  onReady(): void;
  /** The consumer has gone, or it is over. */
  onDestroy(): void;
}

/** Bytes towards a client. */
export interface Output {
  /** For whoever consumes it. */
  readonly stream: Readable;
  /** Nothing of what was written waits here. */
  isTaken(): boolean;
  /** False when the consumer has enough for now: `onReady` tells when it takes more. */
  write(bytes: Buffer): boolean;
  end(): void;
}

/** Twice what is read at once of a connection: with less, a read of a burst would stop the reading. */
const HELD_BYTES = 131_072;

/** Tells of a response of HTTP/1 that it is to be piped into, instead of doing so. */
class Outgoing extends Readable {
  readonly #onResponse: (response: ServerResponse) => void;

  constructor(options: ReadableOptions, onResponse: (response: ServerResponse) => void) {
    super(options);
    this.#onResponse = onResponse;
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T, options?: { end?: boolean }): T {
    // What broke off before has nothing to send: it may still be answered with an error.
    const isPlain = options === undefined && this.readableFlowing === null && !this.destroyed;
    if (!isPlain || !(destination instanceof ServerResponse)) return super.pipe(destination, options);
    this.#onResponse(destination);
    return destination;
  }
}

/**
 * A stream that writes to a response of HTTP/1 directly once it is piped into it: the response gets its end together
 * with its last bytes, and a write does not go through a buffer and three events. For any other consumer, a host's
 * compression for instance, it is a `Readable` like every other.
 */
export function createOutput({ onReady, onDestroy }: OutputOptions): Output {
  let response: ServerResponse | null = null;
  let ended = false;
  const stream = new Outgoing(
    {
      highWaterMark: HELD_BYTES,
      read: onReady,
      destroy(error, callback) {
        onDestroy();
        callback(error);
      },
    },
    direct,
  );

  function direct(to: ServerResponse): void {
    response = to;
    to.on('drain', onReady);
    to.emit('pipe', stream);
    for (let bytes = stream.read(); bytes !== null; bytes = stream.read()) to.write(bytes);
    if (ended) to.end();
    // So that it says `end` when it has ended.
    stream.resume();
  }

  return {
    stream,
    isTaken() {
      return (response === null ? stream.readableLength : response.writableLength) === 0;
    },
    write(bytes) {
      if (response === null) return stream.push(bytes);
      // Whoever closed it tells the stream.
      if (response.destroyed || response.writableEnded) return true;
      // Once a write was not taken there is a `drain`, also when only the next one has to wait for it.
      return response.write(bytes) || response.writableLength < HELD_BYTES;
    },
    end() {
      ended = true;
      // First, so that whoever waits for both hears that nothing was missing before the response closes.
      stream.push(null);
      response?.end();
    },
  };
}
