import { connect } from 'node:net';

/** What is done with an answer. */
export interface Receiver {
  /** A part of the body, without what the chunked coding adds. */
  onBody?(data: Buffer, from: number, to: number): void;
  onEnd(status: number, bytes: number): void;
  /** Not called after `onEnd`. */
  onFailure(error: Error): void;
}

/** A kept-alive HTTP/1.1 connection with one request under way at a time. */
export interface Connection {
  send(request: Buffer, receiver: Receiver): void;
  destroy(): void;
}

const READ_BYTES = 64 * 1024;
const LF = 10;
const CR = 13;

/** Opens a connection to a port of this machine. */
export function openConnection(port: number): Connection {
  let receiver: Receiver | null = null;
  const parser = createParser();
  // One buffer for everything this connection ever reads.
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  const socket = connect({
    port,
    host: '127.0.0.1',
    noDelay: true,
    onread: {
      buffer,
      callback(length) {
        receive(buffer.subarray(0, length));
        return true;
      },
    },
  });
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the connection was closed')));

  function receive(data: Buffer): void {
    if (receiver === null) {
      socket.destroy(new Error('an answer came that nobody asked for'));
      return;
    }
    try {
      if (!parser.read(data, receiver)) return;
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    const done = receiver;
    receiver = null;
    done.onEnd(parser.status, parser.bytes);
  }

  function fail(error: Error): void {
    const waiting = receiver;
    receiver = null;
    waiting?.onFailure(error);
  }

  return {
    send(request, next) {
      if (socket.destroyed) {
        next.onFailure(new Error('the connection was closed'));
        return;
      }
      receiver = next;
      socket.write(request);
    },
    destroy() {
      receiver = null;
      socket.destroy();
    },
  };
}

type State = 'head' | 'length' | 'size' | 'chunk' | 'separator' | 'trailer';

function createParser() {
  let state: State = 'head';
  let held: Buffer | null = null;
  /** Bytes of the body, of the chunk, or of the line break that are still to come. */
  let left = 0;
  let status = 0;
  let bytes = 0;

  /** True when the answer is complete. */
  function read(data: Buffer, receiver: Receiver): boolean {
    let at = 0;
    if (state === 'head') {
      at = readHead(data);
      if (at === -1) return false;
      if (held !== null) {
        data = held;
        held = null;
      }
    }
    while (at < data.length || (state === 'length' && left === 0)) {
      if (state === 'length' || state === 'chunk') {
        const end = Math.min(data.length, at + left);
        receiver.onBody?.(data, at, end);
        bytes += end - at;
        left -= end - at;
        at = end;
        if (left > 0) return false;
        if (state === 'length') return finished();
        state = 'separator';
        left = 2;
      } else if (state === 'size') {
        at = readSize(data, at);
      } else {
        const taken = Math.min(left, data.length - at);
        at += taken;
        left -= taken;
        if (left > 0) return false;
        if (state === 'trailer') return finished();
        state = 'size';
      }
    }
    return false;
  }

  /** Where the body begins; -1 when the head is not complete. Leaves what has to be read in `held` if it is not `data`. */
  function readHead(data: Buffer): number {
    const all = held === null ? data : Buffer.concat([held, data]);
    const end = all.indexOf('\r\n\r\n');
    if (end === -1) {
      held = Buffer.from(all);
      return -1;
    }
    held = all === data ? null : all;
    const head = all.toString('latin1', 0, end);
    status = Number(head.slice(9, 12));
    bytes = 0;
    const length = /\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined && !/\ntransfer-encoding: *chunked/i.test(head)) {
      throw new Error(`an answer without a length:\n${head}`);
    }
    state = length === undefined ? 'size' : 'length';
    left = Number(length ?? 0);
    return end + 4;
  }

  function readSize(data: Buffer, from: number): number {
    for (let at = from; at < data.length; at++) {
      const byte = data[at];
      if (byte === LF) {
        state = left === 0 ? 'trailer' : 'chunk';
        if (left === 0) left = 2;
        return at + 1;
      }
      if (byte !== CR && byte !== undefined) left = left * 16 + hexOf(byte);
    }
    return data.length;
  }

  function finished(): true {
    state = 'head';
    left = 0;
    return true;
  }

  return {
    read,
    get status() {
      return status;
    },
    get bytes() {
      return bytes;
    },
  };
}

function hexOf(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 32;
  if (letter >= 97 && letter <= 102) return letter - 87;
  throw new Error(`${byte} is no digit of a chunk's size`);
}
