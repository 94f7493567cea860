import type { Readable } from 'node:stream';
import { readAll } from './read-all.js';
import type { UpstreamBody } from './transport.js';

/** A body that is a stream anyway. */
export function bodyOf(stream: Readable): UpstreamBody {
  return {
    whole: (limit, onRead) => readAll(stream, limit, onRead),
    stream: () => stream,
    // Destroying an unread stream may raise an error on it, which without a listener would end the process.
    discard: () => void stream.on('error', () => {}).destroy(),
  };
}
