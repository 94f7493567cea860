import { pipeline, Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { EchoConfig, ProviderConfig } from '../config.js';
import { call } from './call.js';
import { createEcho, type EchoOptions } from './echo.js';
import { UnreadableAnswer } from './failure.js';
import { bodyOf } from './stream-body.js';
import type { UpstreamRequest, UpstreamResponse } from './transport.js';
import { Pool } from './undici.js';

/** A way to reach one provider. */
export interface Connection {
  /** Rejects when there is no answer; resolves with the answer's head, whatever its status. */
  send(request: UpstreamRequest): Promise<UpstreamResponse>;
  close(): Promise<void>;
}

const MAX_HEADER_BYTES = 64 * 1024;

/** Opens the way to a provider: a pool of connections, or the built-in echo. No network is touched yet. */
export function connectTo(provider: ProviderConfig): Connection {
  if (provider.echo !== null) return connectToEcho(provider.echo);
  const base = new URL(provider.baseUrl);
  const pool = new Pool(base.origin, {
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
      const response = await call(pool, prefix + request.path, request);
      return hasBody(request.method, response.status) ? unpacked(response) : withoutBody(response);
    },
    // Every exchange is settled by now: what is still open belongs to nobody.
    close: () => pool.destroy(),
  };
}

function connectToEcho(options: EchoConfig): Connection {
  const echo = createEcho(echoOptions(options));
  return {
    async send({ cancel, onSent, ...request }) {
      const controller = new AbortController();
      cancel.onCancel = () => controller.abort();
      if (cancel.isCancelled) controller.abort();
      onSent?.();
      const { body, ...head } = await echo({ ...request, signal: controller.signal });
      return { ...head, body: bodyOf(body) };
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
  response.body
    .stream()
    .on('error', () => {})
    .resume();
  return { ...response, body: bodyOf(Readable.from([])) };
}

/** An upstream that compresses although it was asked not to. */
function unpacked(response: UpstreamResponse): UpstreamResponse {
  const encoding = response.headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity' || response.headers['content-length'] === '0') {
    return response;
  }
  const decoder = decoderFor(String(encoding));
  if (decoder === null) {
    response.body.discard();
    // The status of an error says enough.
    if (response.status >= 400) return { ...response, body: bodyOf(Readable.from([])) };
    throw new UnreadableAnswer(`The upstream answered with the content-encoding "${String(encoding)}".`);
  }
  const unpacking = pipeline(response.body.stream(), decoder, () => {});
  return { ...response, body: bodyOf(unpacking) };
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
