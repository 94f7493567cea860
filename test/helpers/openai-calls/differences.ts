import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import type { Seen } from '../upstream.js';
import type { WireAnswer } from './make.js';

type Headers = Record<string, string | string[] | undefined>;

/** Response headers about the upstream's own connection, cookies and origin. The gateway answers for its own. */
const notPassedOn = new Set([
  'alt-svc',
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'server',
  'set-cookie',
  'strict-transport-security',
  'transfer-encoding',
  'x-request-id',
]);
/** What the gateway says in their place. */
const theGateways = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'server-timing',
  'transfer-encoding',
  'x-request-id',
]);
/** What keeps proxies from holding a stream back. */
const ofStreams = new Set(['cache-control', 'x-accel-buffering']);

/** Request headers about the client's own connection, or replaced: the credential is compared by itself. */
const notSentOn = new Set([
  'accept-encoding',
  'authorization',
  'connection',
  'content-length',
  'host',
  'sec-fetch-mode',
  'transfer-encoding',
]);

/** The answer through the gateway is the direct one, but for the headers above. */
export function assertSameAnswer(through: WireAnswer, direct: WireAnswer): void {
  assert.equal(through.status, direct.status, 'the status');
  assert.ok(through.body.equals(direct.body), `the bytes: ${through.body} instead of ${direct.body}`);
  assert.deepEqual(without(direct.headers, notPassedOn), without(through.headers, added(direct)), 'headers');
}

function added({ headers }: WireAnswer): (name: string) => boolean {
  const streamed = headers['content-type']?.startsWith('text/event-stream') ?? false;
  return (name) =>
    theGateways.has(name) || name.startsWith('x-gateway-') || (streamed && ofStreams.has(name));
}

/** The upstream has read the same request twice, but for the headers above. */
export function assertSameRequest(through: Seen, direct: Seen): void {
  assert.equal(through.method, direct.method, 'the method');
  assert.equal(through.url, direct.url, 'the URL');
  assert.deepEqual(sent(through.headers), sent(direct.headers), 'the request headers');
  assert.deepEqual(bodyOf(through), bodyOf(direct), 'the request body');
}

/** The client draws a new boundary for every multipart body. */
const BOUNDARY = 'the-boundary';

function sent(headers: IncomingHttpHeaders): Headers {
  const boundary = boundaryOf(headers);
  const kept = without(headers, notSentOn);
  if (boundary !== null) kept['content-type'] = headers['content-type']?.replace(boundary, BOUNDARY);
  return kept;
}

/** As Latin-1, so that a difference is shown and no byte is lost. */
function bodyOf({ headers, body }: Seen): string {
  const boundary = boundaryOf(headers);
  const text = body.toString('latin1');
  return boundary === null ? text : text.replaceAll(boundary, BOUNDARY);
}

function boundaryOf(headers: IncomingHttpHeaders): string | null {
  return /^multipart\/form-data; *boundary=(\S+)$/.exec(headers['content-type'] ?? '')?.[1] ?? null;
}

function without(headers: Headers, left: ReadonlySet<string> | ((name: string) => boolean)): Headers {
  const isLeft = typeof left === 'function' ? left : (name: string) => left.has(name);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !isLeft(name)));
}
