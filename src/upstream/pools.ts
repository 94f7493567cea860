import './platform-fetch.js';
import { pipeline, Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { type Dispatcher, Pool } from 'undici';
import type { EchoConfig, ProviderConfig } from '../config.js';
import { createEcho, type EchoOptions } from './echo.js';
import { UnreadableAnswer } from './failure.js';
import type { UpstreamRequest, UpstreamResponse } from './transport.js';

/** A way to reach one provider. */
export interface Connection {
  /** Rejects when there is no answer; resolves with the answer's head, whatever its status. */
  send(request: UpstreamRequest): Promise<UpstreamResponse>;
  close(): Promise<void>;
}

const MAX_HEADER_BYTES = 64 * 1024;

/**
 * Calls the `onSent` of a request when a connection takes it. Not with `compose`, which rewrites the headers of every
 * answer twice, nor with undici's own decorator, which does not know provisional answers.
 */
class TellingPool extends Pool {
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const onSent: unknown = 'onSent' in options ? options.onSent : undefined;
    const { onConnect } = handler;
    if (typeof onSent === 'function' && onConnect !== undefined) {
      handler.onConnect = (abort) => {
        onSent();
        onConnect.call(handler, abort);
      };
    }
    return super.dispatch(options, handler);
  }
}

/** Opens the way to a provider: a pool of connections, or the built-in echo. No network is touched yet. */
export function connectTo(provider: ProviderConfig): Connection {
  if (provider.echo !== null) return connectToEcho(provider.echo);
  const base = new URL(provider.baseUrl);
  const pool = new TellingPool(base.origin, {
    connections: provider.connections,
    pipelining: 1,
    maxHeaderSize: MAX_HEADER_BYTES,
    // An attempt has its own clocks; undici's would race with them.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: provider.timeouts.connect },
  });
  const prefix = base.pathname === '/' ? '' : base.pathname.replace(/\/$/, '');
  return {
    async send(request) {
      const { statusCode, headers, body } = await pool.request({
        method: request.method,
        path: prefix + request.path,
        headers: request.headers,
        body: request.body,
        signal: request.signal,
        // Not an option of undici's: `dispatch` reads it.
        ...{ onSent: request.onSent },
      });
      const response = { status: statusCode, headers, body };
      return hasBody(request.method, statusCode) ? unpacked(response) : withoutBody(response);
    },
    // Every exchange is settled by now: what is still open belongs to nobody.
    close: () => pool.destroy(),
  };
}

function connectToEcho(options: EchoConfig): Connection {
  const echo = createEcho(echoOptions(options));
  return {
    send(request) {
      request.onSent?.();
      return echo(request);
    },
    async close() {},
  };
}

/** The header that echo sends counts in seconds, the configuration in milliseconds. */
function echoOptions(echo: EchoConfig): EchoOptions {
  const { retryAfter } = echo;
  return { ...echo, retryAfter: retryAfter === null ? null : Math.ceil(retryAfter / 1000) };
}

function hasBody(method: string, status: number): boolean {
  return method !== 'HEAD' && status !== 204 && status !== 304;
}

/** Its headers may say all the same how long a body would be, which undici misses, and how it would be encoded. */
function withoutBody(response: UpstreamResponse): UpstreamResponse {
  response.body.on('error', () => {}).resume();
  return { ...response, body: Readable.from([]) };
}

/** An upstream that compresses although it was asked not to. */
function unpacked(response: UpstreamResponse): UpstreamResponse {
  const encoding = response.headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity' || response.headers['content-length'] === '0') {
    return response;
  }
  const decoder = decoderFor(String(encoding));
  if (decoder === null) {
    // Destroying an unread body raises an error on it, which without a listener would end the process.
    response.body.on('error', () => {}).destroy();
    // The status of an error says enough.
    if (response.status >= 400) return { ...response, body: Readable.from([]) };
    throw new UnreadableAnswer(`The upstream answered with the content-encoding "${String(encoding)}".`);
  }
  return { ...response, body: pipeline(response.body, decoder, () => {}) as Readable };
}

function decoderFor(encoding: string) {
  switch (encoding.trim().toLowerCase()) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'br':
      return createBrotliDecompress();
    case 'deflate':
      return createInflate();
    default:
      return null;
  }
}
