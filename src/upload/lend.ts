import { Readable } from 'node:stream';

const LENT_BYTES = 64 * 1024;

/**
 * The bytes of a request whose connection has to outlive whoever reads them: when the reader gives up, the rest is read
 * and thrown away, so that the client can take the answer and use the connection again. A request that breaks off,
 * which over HTTP/2 looks like one that ends, breaks off here too.
 */
export function lend(source: Readable): Readable {
  const lent = new Readable({
    highWaterMark: LENT_BYTES,
    read() {
      source.resume();
    },
    destroy(error, callback) {
      source.off('data', onData).off('end', onEnd).off('close', onClose);
      source.resume();
      callback(error);
    },
  });
  let hasEnded = false;
  // Stays when all else has gone: an error that nobody listens to would end the process.
  source.on('error', (error) => lent.destroy(error));
  if (source.destroyed || source.readableEnded) onClose();
  else source.on('data', onData).on('end', onEnd).on('close', onClose).pause();
  return lent;

  function onData(chunk: Buffer): void {
    if (!lent.push(chunk)) source.pause();
  }

  function onEnd(): void {
    hasEnded = !('aborted' in source && source.aborted === true);
    if (hasEnded) lent.push(null);
    else onClose();
  }

  function onClose(): void {
    if (!hasEnded) lent.destroy(new Error('The request broke off.'));
  }
}
