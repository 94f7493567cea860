import type { TestContext } from 'node:test';
import { chat, type Setup, startGateway } from '../helpers/gateway.js';
import { json, type Script, startUpstream } from '../helpers/upstream.js';

export const UPSTREAM_KEY = 'sk-upstream/canary-0123456789';

/** A gateway whose provider takes every model and is sent everything else too, as open as a gateway can be. */
export async function openGateway(t: TestContext, more: Partial<Setup> = {}, script: Script = json()) {
  const upstream = await startUpstream(t, script);
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url, apiKey: UPSTREAM_KEY } },
    passthroughProvider: 'main',
    ...more,
  });
  return { upstream, gateway };
}

const BODY = JSON.stringify(chat);

/** A request as bytes, on a connection that closes after it. `headers` are lines without their ends. */
export function requestText(line: string, headers: readonly string[] = [], body = ''): string {
  const own = ['host: 127.0.0.1', 'content-type: application/json', 'connection: close'];
  return `${[`${line} HTTP/1.1`, ...own, ...headers].join('\r\n')}\r\n\r\n${body}`;
}

/** A chat request with these header lines and no others. */
export function chatText(headers: readonly string[], body = BODY): string {
  return requestText('POST /ai/v1/chat/completions', headers, body);
}

export const chatLength = `content-length: ${BODY.length}`;

/** The body of a chat as one chunk. */
export function chunked(size = BODY.length.toString(16), end = '\r\n'): string {
  return `${size}${end}${BODY}${end}0${end}${end}`;
}
