import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GatewayError, shuttingDown } from '../src/errors.js';
import { conclude, type Exchange, sinceStart, whenSettled } from '../src/exchange.js';
import { UploadError } from '../src/upload/error.js';
import { receiveUpload } from '../src/upload/upload.js';
import { cancelledError } from '../src/upstream/final.js';
import { type JsonRequest, parseJsonRequest } from '../src/upstream/json-request.js';

/** Makes a scope take JSON only, and keep its bytes as `request.gatewayBody`. */
export function acceptJson(app: FastifyInstance): void {
  app.decorateRequest('gatewayBody', null);
  app.decorateRequest('gatewayModelPlace', null);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes: Buffer, done) => {
    const { exchange } = request;
    if (exchange !== null) {
      exchange.receivedUs = sinceStart(exchange);
      exchange.bytesIn = bytes.length;
      app.gatewayExchanges.capture(exchange, bytes);
    }
    request.gatewayBody = bytes;
    let parsed: JsonRequest;
    try {
      parsed = parseJsonRequest(bytes);
    } catch (cause) {
      done(new GatewayError('invalid_request_error', `The request body is not valid JSON: ${why(cause)}`));
      return;
    }
    request.gatewayModelPlace = parsed.place;
    done(null, parsed.value);
  });
}

/** A body that is worth parsing again, should anybody want it, rather than being kept while a provider is waited for. Bytes. */
const LARGE = 16 * 1024;

/**
 * Lets go of a large body that was parsed and is not needed any more. It lies about in many small pieces, which the
 * garbage collector would move from place to place as long as the answer takes. Whoever asks for `request.body` after
 * that, a hook of the host perhaps, has it parsed anew.
 */
export function releaseBody(request: FastifyRequest): void {
  const { gatewayBody: bytes } = request;
  if (bytes === null || bytes.length < LARGE) return;
  let body: unknown;
  Object.defineProperty(request, 'body', {
    configurable: true,
    enumerable: true,
    get() {
      body ??= JSON.parse(bytes.toString('utf8'));
      return body;
    },
    set(other: unknown) {
      body = other;
    },
  });
}

/**
 * Makes a scope take forms too, of at most `limit` bytes. `request.gatewayUpload` is the form and its files, which
 * are on disk when they are large; `request.body` the fields that the gateway looks at.
 */
export function acceptForms(app: FastifyInstance, limit: number): void {
  app.addContentTypeParser(
    'multipart/form-data',
    async (request: FastifyRequest, payload: typeof request.raw) => {
      const upload = await receive(request, payload, limit);
      request.gatewayUpload = upload;
      const { model, stream } = upload.fields;
      return model === null ? { stream } : { model, stream };
    },
  );
}

async function receive({ exchange, headers }: FastifyRequest, payload: Readable, limit: number) {
  if (exchange === null) throw new Error('The exchange plugin has not seen this request.');
  const stop = new AbortController();
  exchange.onCancel = () => stop.abort();
  try {
    const upload = await receiveUpload(payload, headers['content-type'] ?? '', {
      limit,
      signal: stop.signal,
    });
    // Settled already, so that nobody would discard it: the client left while the last bytes went to the disk.
    if (exchange.cancelled !== null) {
      void upload.discard();
      throw cancelledError(exchange);
    }
    // Of no further use once there is an answer, or nobody to give it to.
    whenSettled(exchange, () => void upload.discard());
    exchange.receivedUs = sinceStart(exchange);
    exchange.bytesIn = upload.bytes;
    return upload;
  } catch (error) {
    throw refusal(error, exchange);
  } finally {
    exchange.onCancel = null;
  }
}

/** What the caller reads of an upload that was not taken. */
function refusal(error: unknown, exchange: Exchange): unknown {
  // A full disk is the operator's to know, not the caller's.
  if (!(error instanceof UploadError) || error.kind === 'storage') return error;
  const { kind, message } = error;
  const param = error.param ?? undefined;
  if (exchange.cancelled === 'shutdown') return shuttingDown();
  if (kind === 'incomplete' || kind === 'aborted') conclude(exchange, 'aborted', 'client_gone');
  const code = kind === 'too_large' ? 'request_too_large' : 'invalid_request_error';
  return new GatewayError(code, message, { param, cause: error });
}

/** Where the JSON is wrong, without the part of the body that V8 quotes: errors are stored, bodies are not. */
function why(cause: unknown): string {
  return cause instanceof Error ? cause.message.replace(/, (\.\.\.)?".*$/s, '') : String(cause);
}
