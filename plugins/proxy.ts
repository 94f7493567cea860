import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { freeOfCharge, quote } from '../src/budgets/quote.js';
import { asksForStream, type Endpoint, type RoutedBody } from '../src/endpoints.js';
import { GatewayError } from '../src/errors.js';
import { type Exchange, sinceStart, whenSettled } from '../src/exchange.js';
import { queryOf } from '../src/paths.js';
import type { Allowed } from '../src/routing/allowed.js';
import { type RequestFacts, requestFacts } from '../src/routing/facts.js';
import type { Entry } from '../src/routing/table.js';
import { type Answer, setExchangeHeaders } from '../src/upstream/answer.js';
import { needsOf } from '../src/upstream/dispatch.js';
import { estimateUsage } from '../src/upstream/estimate.js';
import { cancelledError } from '../src/upstream/final.js';
import type { Job } from '../src/upstream/forward.js';
import { isRateLimit } from '../src/upstream/headers.js';
import { formBody, jsonBody, type Outgoing, rawBody } from '../src/upstream/outgoing.js';
import { wantsStreamUsage } from '../src/upstream/splice.js';
import { releaseBody } from './bodies.js';
import { sendPinged } from './pinged.js';

/** Sends requests to the providers and their answers to the clients. */
export interface ModelProxy {
  /** A request that is routed by its `model`. */
  byModel(request: FastifyRequest, reply: FastifyReply, endpoint: Endpoint): Promise<FastifyReply>;
  send(request: FastifyRequest, reply: FastifyReply, job: Job): Promise<FastifyReply>;
}

/** Bytes that are written at a time. */
const PIECE_BYTES = 64 * 1024;

/** Methods that make no provider work for money. */
const readsOnly = new Set(['GET', 'HEAD', 'DELETE']);

/** What only the answer itself can know. */
const describesBody = new Set(['content-type', 'content-length', 'cache-control']);

/** The way through the gateway. `streamPing`: milliseconds of silence before a comment keeps a stream open. */
export function createProxy(app: FastifyInstance, options: { streamPing: number | null }): ModelProxy {
  const { streamPing } = options;
  const budgets = app.hasDecorator('gatewayBudgets') ? app.gatewayBudgets : null;

  function byModel(request: FastifyRequest, reply: FastifyReply, endpoint: Endpoint) {
    const exchange = exchangeOf(request);
    // Validated by the endpoint's schema, which is part of the route.
    const body = request.body as RoutedBody;
    refuseOtherModels(body);
    const streaming = asksForStream(body);
    exchange.streaming = streaming;
    exchange.requestedModel = body.model ?? null;
    const resolution = resolve(request, body);
    exchange.route = resolution.route;
    const job: Job = {
      exchange,
      headers: request.headers,
      resolution,
      facts: factsOf(request, endpoint, body, budgets?.appliesTo(exchange) === 'hard'),
      endpoint,
      query: queryOf(request.url),
      body: outgoing(request, body),
      streaming,
      addStreamUsage: streaming && endpoint.streamUsage && !wantsStreamUsage(body),
      estimate: isLeftToRun(body)
        ? () => null
        : (outputBytes) => estimateUsage(endpoint.path, request.body, outputBytes),
    };
    releaseBody(request);
    return send(request, reply, job);
  }

  /** OpenAI has a default model for some endpoints; only a provider as a whole can know which. */
  function resolve(request: FastifyRequest, body: RoutedBody): Entry {
    const allowed = allowedTo(request.exchange);
    const provider = providerOf(request);
    if (body.model != null) return app.gatewayRouter.resolve(body.model, allowed, provider);
    const entry = app.gatewayRouter.passthrough(provider, allowed, request.exchange?.caller?.policy);
    if (entry !== null) return entry;
    throw new GatewayError('invalid_request_error', '`model` is required.', { param: 'model' });
  }

  async function send(request: FastifyRequest, reply: FastifyReply, job: Job): Promise<FastifyReply> {
    const { exchange } = job;
    if (exchange.receivedUs === 0) exchange.receivedUs = sinceStart(exchange);
    const reserving = exchange.reserveTokens?.(needsOf(job.facts).tokens);
    if (reserving !== undefined) await reserving;
    // A host that has answered meanwhile: nobody would write down, or pay for, what is sent now.
    if (exchange.totalUs !== null) throw cancelledError(exchange);
    const admission = charge(job);
    if (admission !== null) await admission;
    const answer = app.gatewayUpstream.forward(job);
    if (job.streaming && streamPing !== null) return sendPinged(request, reply, answer, streamPing);
    return sendAnswer(request, reply, await answer);
  }

  /** What it may cost is set aside before anything is sent, and what it did cost taken when it is over. */
  function charge({ exchange, resolution, facts, endpoint }: Job): Promise<void> | null {
    if (budgets === null) return null;
    whenSettled(exchange, budgets.settle);
    const kind = budgets.appliesTo(exchange);
    if (kind === null) return null;
    const quoted =
      endpoint.answer === 'any' ? freeOfCharge : quote(app.gatewayRouter, resolution, facts, Date.now());
    if (endpoint.answer === 'any' && kind === 'hard' && !readsOnly.has(exchange.method)) {
      const message = 'This API key has a budget, and what this request costs cannot be known before.';
      throw new GatewayError('insufficient_permissions', message);
    }
    return budgets.admit(exchange, quoted);
  }

  return { byModel, send };
}

/** What the choice of a target goes by. `pricedOnly`: only targets whose price is known will do. */
export function factsOf(
  request: FastifyRequest,
  { path }: Endpoint,
  body: RoutedBody,
  pricedOnly = false,
): RequestFacts {
  const { exchange, gatewayBody, gatewayUpload } = request;
  return requestFacts({
    endpoint: path.slice(1),
    body,
    bodyBytes: gatewayBody?.length ?? gatewayUpload?.bytes ?? 0,
    caller: exchange?.key ?? null,
    session: exchange?.session ?? null,
    policy: policyOf(request),
    keyPolicy: exchange?.caller?.policy ?? null,
    pricedOnly,
  });
}

/** Hands an answer to the client, with the headers that say what the gateway did. */
export function sendAnswer(request: FastifyRequest, reply: FastifyReply, answer: Answer): FastifyReply {
  reply.code(answer.status);
  const isLimited = request.exchange?.caller?.limits != null;
  for (const name in answer.headers) {
    // They speak of the operator's account; this caller reads those of its own key.
    if (isLimited && isRateLimit(name)) continue;
    // What the host's own plugins have set (security headers, for instance) is the host's to decide.
    if (!reply.hasHeader(name) || describesBody.has(name)) reply.header(name, answer.headers[name]);
  }
  setExchangeHeaders(reply, exchangeOf(request));
  return reply.send(inPieces(request, reply, answer));
}

/**
 * A large answer in pieces: written in one, it would stay in memory until its client has taken the last byte, and how
 * far that is could not be seen.
 */
function inPieces(
  { exchange }: FastifyRequest,
  reply: FastifyReply,
  { status, body }: Answer,
): Answer['body'] {
  if (!Buffer.isBuffer(body) || body.length <= PIECE_BYTES) return body;
  reply.header('content-length', body.length);
  let at = 0;
  return new Readable({
    highWaterMark: PIECE_BYTES,
    read() {
      const piece = body.subarray(at, at + PIECE_BYTES);
      at += piece.length;
      if (exchange !== null) exchange.bytesOut = at;
      if (piece.length === 0) {
        this.push(null);
        return;
      }
      // Under strict durability the last one waits until the record is safe.
      const sealed = at === body.length ? exchange?.seal?.(status, at) : undefined;
      if (sealed === undefined) this.push(piece);
      else void sealed.then(() => this.push(piece));
    },
  });
}

/**
 * Some servers (Go's, for one) take `Model` for `model`: what stands there would get past everything that is decided by
 * the model's name.
 */
function refuseOtherModels(body: RoutedBody): void {
  const other = Object.keys(body).find((key) => key !== 'model' && key.toLowerCase() === 'model');
  if (other === undefined) return;
  const message = `Write \`model\` instead of ${JSON.stringify(other)}.`;
  throw new GatewayError('invalid_request_error', message, { param: other });
}

/** The provider works on when nobody listens: what has come of the answer says nothing about what it costs. */
function isLeftToRun({ background }: RoutedBody & { background?: unknown }): boolean {
  return background === true;
}

function outgoing(request: FastifyRequest, { model }: RoutedBody): Outgoing {
  const { gatewayBody, gatewayModelPlace, gatewayUpload } = request;
  if (gatewayUpload !== null) return formBody(gatewayUpload);
  if (gatewayBody === null) throw new Error('The body of this request was not read by the gateway.');
  return model == null
    ? rawBody(gatewayBody, gatewayBody.length, false)
    : jsonBody(gatewayBody, gatewayModelPlace);
}

/** The provider that the caller asks for by name, if it does. */
export function providerOf({ headers }: FastifyRequest): string | null {
  const name = headers['x-gateway-provider'];
  return typeof name === 'string' && name !== '' ? name : null;
}

/** The policy that the caller asks for by name, if it does. */
export function policyOf({ headers }: FastifyRequest): string | null {
  const name = headers['x-gateway-policy'];
  return typeof name === 'string' && name !== '' ? name : null;
}

/** What the caller may name as `model`; null: everything. */
export function allowedTo(exchange: Exchange | null): Allowed | null {
  return exchange?.caller?.allowed ?? null;
}

/** The exchange of a request to a route that is recorded. */
export function exchangeOf({ exchange }: FastifyRequest): Exchange {
  if (exchange === null) throw new Error('The exchange plugin has not seen this request.');
  return exchange;
}
