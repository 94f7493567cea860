import type { Readable } from 'node:stream';
import type { Exchange } from '../exchange.js';
import { usd } from '../usd.js';

/** What goes to the client. */
export interface Answer {
  status: number;
  headers: Record<string, string | string[]>;
  body: Buffer | Readable;
}

/** Takes a header; every Fastify reply does. */
export interface HeaderSink {
  header(name: string, value: string): unknown;
}

/** Sets the headers that say what the gateway did. Complete at the commit point. */
export function setExchangeHeaders(sink: HeaderSink, exchange: Exchange): void {
  if (exchange.provider !== null) sink.header('x-gateway-provider', exchange.provider);
  if (exchange.model !== null) sink.header('x-gateway-model', printable(exchange.model));
  if (exchange.route !== null) sink.header('x-gateway-route', printable(exchange.route));
  if (exchange.policy !== null) sink.header('x-gateway-policy', printable(exchange.policy));
  if (exchange.tier !== null) sink.header('x-gateway-tier', exchange.tier);
  if (exchange.complexity !== null) sink.header('x-gateway-complexity', exchange.complexity.toFixed(2));
  if (exchange.attempts.length > 0) sink.header('x-gateway-attempts', String(exchange.attempts.length));
  if (exchange.overheadUs !== null) sink.header('server-timing', serverTiming(exchange, exchange.overheadUs));
  if (!exchange.streaming && exchange.costNano !== null)
    sink.header('x-gateway-cost', usd(exchange.costNano));
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
