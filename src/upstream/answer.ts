import type { Readable } from 'node:stream';
import type { Exchange } from '../exchange.js';

/** What goes to the client. */
export interface Answer {
  status: number;
  headers: Record<string, string | string[]>;
  body: Buffer | Readable;
}

/** The headers that say what the gateway did. Complete at the commit point. */
export function exchangeHeaders(exchange: Exchange): Record<string, string> {
  const headers: Record<string, string> = {};
  if (exchange.provider !== null) headers['x-gateway-provider'] = exchange.provider;
  if (exchange.model !== null) headers['x-gateway-model'] = printable(exchange.model);
  if (exchange.route !== null) headers['x-gateway-route'] = printable(exchange.route);
  if (exchange.policy !== null) headers['x-gateway-policy'] = printable(exchange.policy);
  if (exchange.tier !== null) headers['x-gateway-tier'] = exchange.tier;
  if (exchange.complexity !== null) headers['x-gateway-complexity'] = exchange.complexity.toFixed(2);
  if (exchange.attempts.length > 0) headers['x-gateway-attempts'] = String(exchange.attempts.length);
  if (exchange.overheadUs !== null) headers['server-timing'] = serverTiming(exchange, exchange.overheadUs);
  if (!exchange.streaming && exchange.costNano !== null) headers['x-gateway-cost'] = usd(exchange.costNano);
  return headers;
}

/** A name that callers may have chosen, percent-encoded where a header could not carry it (lone surrogates too). */
function printable(name: string): string {
  return /^[\x21-\x7e]*$/.test(name) ? name : encodeURIComponent(Buffer.from(name).toString());
}

function serverTiming(exchange: Exchange, overheadUs: number): string {
  const { upstreamUs, queueUs } = exchange;
  return `gateway;dur=${ms(overheadUs)}, upstream;dur=${ms(upstreamUs)}, queue;dur=${ms(queueUs ?? 0)}`;
}

/** Integer microseconds as milliseconds with three decimals; `toFixed` takes five times as long. */
function ms(us: number): string {
  const whole = Math.floor(us / 1000);
  const rest = us - whole * 1000;
  return `${whole}.${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}`;
}

/** Nano-USD as USD without an exponent, at most nine decimals. */
function usd(nano: number): string {
  const whole = Math.floor(nano / 1e9);
  let rest = nano - whole * 1e9;
  if (rest === 0) return String(whole);
  let decimals = 9;
  for (; rest % 10 === 0; decimals--) rest /= 10;
  return `${whole}.${String(rest).padStart(decimals, '0')}`;
}
