import type { IncomingHttpHeaders } from 'node:http';

/** By these a proxy says whom it speaks for. `via` only names the proxy, which speaks for somebody all the same. */
const forwardingHeaders =
  /^(forwarded|via|x-forwarded-.+|x-real-ip|(x-|true-|fastly-|x-cluster-)?client-ip|cf-connecting-ip)$/;

/**
 * Whether a request comes from this machine and is meant for it: its connection has a loopback address, no proxy says
 * that it speaks for somebody else, and it was sent to a loopback name. The name is what gives away a page of a
 * foreign site whose own name was made to point here (DNS rebinding): a browser sends it in `host`.
 */
export function isLocalCaller(address: string | undefined, headers: IncomingHttpHeaders): boolean {
  if (!isLoopback(address)) return false;
  if (Object.keys(headers).some((name) => forwardingHeaders.test(name))) return false;
  const host = headers.host ?? headers[':authority'];
  return host === undefined || isLoopbackHost(String(host).replace(/:\d+$/, ''));
}

/** Whether a host name or address means this machine only (RFC 6761, 6.3, for `localhost`). */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || name.endsWith('.localhost') || isLoopback(name);
}

/** Whether an IP address is 127.0.0.0/8 or ::1, also when IPv4 is mapped into IPv6. */
export function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  const ip = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
  return ip === '::1' || /^127(\.\d{1,3}){3}$/.test(ip);
}
