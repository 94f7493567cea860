import { setTimeout as wait } from 'node:timers/promises';
import { request } from 'undici';
import type { ExchangeSummary } from '../db/answers.js';
import { createFramer } from '../stream/framer.js';
import { isRecord, recordOf, textOf } from '../stream/json.js';
import { CommandError } from './failure.js';
import { printable } from './output.js';
import type { Follow } from './tail.js';

const RETRY_MS = 1000;
/** Far more than an exchange takes. */
const MAX_EVENT_BYTES = 1024 * 1024;

/** Follows a running gateway. A connection that is lost is made again; one that cannot be made at first is an error. */
export function followGateway(base: string, key: string | undefined): Follow {
  const url = feedUrl(base);
  return async (take, signal) => {
    for (let connected = false; ; ) {
      try {
        const body = await connect(url, key, signal);
        connected = true;
        await read(body, take);
      } catch (error) {
        if (signal.aborted) return;
        if (!connected || error instanceof CommandError) throw reason(url, error);
      }
      if (signal.aborted) return;
      process.stderr.write('the connection is lost, trying again\n');
      await wait(RETRY_MS, null, { signal }).catch(() => {});
    }
  };
}

function feedUrl(base: string): URL {
  const at = base.endsWith('/') ? base : `${base}/`;
  if (!URL.canParse(at) || !/^https?:$/.test(new URL(at).protocol)) {
    throw new CommandError(
      `--url must be where a gateway is, such as http://127.0.0.1:8080, got "${base}"`,
      2,
    );
  }
  return new URL('stats/live', at);
}

async function connect(
  url: URL,
  key: string | undefined,
  signal: AbortSignal,
): Promise<AsyncIterable<Buffer>> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  // Between two exchanges there may be hours; the gateway's pings are not counted on.
  const answer = await request(url, { headers, signal, bodyTimeout: 0 });
  if (answer.statusCode === 200) return answer.body;
  const text = await answer.body.text();
  throw new CommandError(`${url.href} answered ${answer.statusCode}: ${printable(messageOf(text))}`);
}

/** The message of an error body, else its text. */
function messageOf(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text);
    return textOf(recordOf(recordOf(parsed).error).message) ?? text.slice(0, 200);
  } catch {
    return text.slice(0, 200);
  }
}

async function read(body: AsyncIterable<Buffer>, take: Parameters<Follow>[0]): Promise<void> {
  let found: ExchangeSummary[] = [];
  const framer = createFramer({
    maxEventBytes: MAX_EVENT_BYTES,
    onEvent(data, event) {
      const parsed: unknown = event === 'exchange' ? JSON.parse(data.toString('utf8')) : null;
      if (isSummary(parsed)) found.push(parsed);
    },
  });
  for await (const chunk of body) {
    framer.write(chunk);
    const exchanges = found;
    found = [];
    for (const exchange of exchanges) await take(exchange);
  }
}

/** As much as a line needs to be written; the rest is the gateway's word. */
function isSummary(value: unknown): value is ExchangeSummary {
  return isRecord(value) && typeof value.started_at === 'string' && typeof value.outcome === 'string';
}

function reason(url: URL, error: unknown): Error {
  if (error instanceof CommandError) return error;
  const cause = error instanceof Error ? error.message : String(error);
  return new CommandError(`${url.origin} cannot be reached: ${cause}`);
}
