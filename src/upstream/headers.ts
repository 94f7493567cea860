import type { IncomingHttpHeaders } from 'node:http';
import type { ProviderConfig } from '../config.js';
import { hasSecret, hideSecret } from './secret.js';

type Headers = Record<string, string | string[] | undefined>;

/** RFC 9110, 7.6.1, with the older names still in use. */
const hopByHop = [
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** What a client sends to the gateway, or about itself, and to nobody else. */
const notForUpstream = new Set([
  ...hopByHop,
  'accept-encoding',
  'api-key',
  'authorization',
  // It was parsed as JSON: a host that accepts compressed bodies has unpacked it.
  'content-encoding',
  'content-length',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'origin',
  'referer',
  'via',
  'x-api-key',
  'x-goog-api-key',
  // By these some servers let themselves be talked into another method, path or host.
  'x-host',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-host',
  'x-original-url',
  'x-real-ip',
  'x-request-id',
  'x-rewrite-url',
  'x-session-id',
]);
/** `:` is how HTTP/2 names the parts of its request line. */
const notForUpstreamPrefixes = [':', 'x-gateway-', 'x-forwarded-', 'sec-', 'cf-'];

/** What an upstream says about its connection, its cookies and its origin; the gateway answers for its own. */
const notForClient = new Set([
  ...hopByHop,
  'alt-svc',
  'content-length',
  'content-encoding',
  'date',
  'server',
  'set-cookie',
  'strict-transport-security',
  'x-request-id',
]);
const notForClientPrefixes = ['x-gateway-', 'access-control-'];

/**
 * Of these the first counts when an upstream sends one twice: over HTTP/2 Node throws at the repeated ones, where nobody
 * could catch it (`kSingleValueHeaders` in its lib/internal/http2/util.js, without what goes to no client anyway).
 */
const single = new Set([
  'age',
  'authorization',
  'content-disposition',
  'content-language',
  'content-location',
  'content-md5',
  'content-range',
  'content-type',
  'dnt',
  'etag',
  'expires',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'range',
  'referer',
  'retry-after',
  'tk',
  'upgrade-insecure-requests',
  'user-agent',
  'x-content-type-options',
]);

/** What Node refuses to send in a header value (RFC 9110, 5.5). */
const unsendable = /[^\t\x20-\x7e\x80-\xff]/;

/** What the body is that the headers are about. */
export interface Sending {
  /** Its length in bytes; null when it is not known, or when there is none. */
  length: number | null;
  /** The client's bytes go as they are: their encoding still holds. */
  asItIs: boolean;
}

/** The client's end-to-end headers, with the provider's own credential. */
export function requestHeaders(
  client: IncomingHttpHeaders,
  apiKey: string | null,
  sending: Sending,
): Record<string, string> {
  const headers: Record<string, string> = {};
  const named = connectionNamed(client.connection);
  for (const name in client) {
    const value = client[name];
    if (value === undefined || notForUpstream.has(name) || named.has(name)) continue;
    if (hasPrefix(name, notForUpstreamPrefixes)) continue;
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  // The tap reads the bytes: a compressed answer would have to be unpacked first.
  headers['accept-encoding'] = 'identity';
  const encoding = client['content-encoding'];
  if (sending.asItIs && encoding !== undefined) headers['content-encoding'] = encoding;
  if (sending.length !== null) headers['content-length'] = String(sending.length);
  if (apiKey !== null) headers.authorization = `Bearer ${apiKey}`;
  return headers;
}

/** The upstream's end-to-end headers, but for those in which it repeats its credential. */
export function responseHeaders(
  upstream: Headers,
  provider: Pick<ProviderConfig, 'apiKey'>,
): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  const named = connectionNamed(upstream.connection);
  for (const name in upstream) {
    const value = upstream[name];
    if (value === undefined || notForClient.has(name) || named.has(name)) continue;
    if (hasPrefix(name, notForClientPrefixes) || unsendable.test(String(value))) continue;
    if (hasSecret(String(value), provider)) continue;
    headers[name] = Array.isArray(value) && single.has(name) ? (value[0] ?? '') : value;
  }
  return headers;
}

/** The rate-limit headers of an answer as a JSON object; null when there are none. */
export function rateLimitSnapshot(
  upstream: Headers,
  provider: Pick<ProviderConfig, 'apiKey'>,
): string | null {
  const found: Headers = {};
  let any = false;
  for (const name in upstream) {
    if (!isRateLimit(name) && !name.startsWith('retry-after')) continue;
    found[name] = upstream[name];
    any = true;
  }
  return any ? hideSecret(JSON.stringify(found), provider) : null;
}

/** Whether a header tells what is left of an account: `x-ratelimit-…`, `anthropic-ratelimit-…`, `ratelimit-policy`. */
export function isRateLimit(name: string): boolean {
  return name.includes('ratelimit') || name.includes('rate-limit');
}

function hasPrefix(name: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => name.startsWith(prefix));
}

/** `connection: close, x-foo` makes `x-foo` hop-by-hop as well. */
function connectionNamed(connection: string | string[] | undefined): ReadonlySet<string> {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return none;
  return new Set(
    String(connection)
      .toLowerCase()
      .split(/[\s,]+/),
  );
}

const none: ReadonlySet<string> = new Set();
