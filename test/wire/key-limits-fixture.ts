import type { TestContext } from 'node:test';
import { chat, post, type Setup, startGateway } from '../helpers/gateway.js';
import { json, type Script, startUpstream } from '../helpers/upstream.js';

export const KEY = 'limited-key-0123456789';
export const FREE = 'free-key-0123456789';
export const bearer = { authorization: `Bearer ${KEY}` };

type Limits = NonNullable<NonNullable<Setup['keys']>[number]['limits']>;

/** A gateway with a key that has limits, and one that has none. */
export async function startLimited(
  t: TestContext,
  limits: Limits,
  script: Script = json(),
  more: Partial<Setup> = {},
) {
  const upstream = await startUpstream(t, script);
  const gateway = await startGateway(t, {
    keys: [
      { name: 'web', key: KEY, limits },
      { name: 'free', key: FREE },
      { name: 'ops', key: 'ops-key-0123456789', scopes: ['read'], limits },
    ],
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
    ...more,
  });
  const ask = (body: unknown = chat, headers: Record<string, string> = bearer) =>
    post(`${gateway.url}/v1/chat/completions`, body, headers);
  return { upstream, gateway, ask };
}
