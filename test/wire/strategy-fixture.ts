import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { post, type Setup, startGateway } from '../helpers/gateway.js';
import { completion, json, type Script, type ScriptedUpstream, startUpstream } from '../helpers/upstream.js';

type Providers = NonNullable<Setup['providers']>;
type Model = NonNullable<Providers[string]['models']>[string];

/** One provider of a test, with its only model `m`. */
export interface Part {
  model?: Model;
  script?: Script;
  provider?: Partial<Providers[string]>;
}

/** A gateway over one scripted upstream for each name, with a route `r` over all of them in this order. */
export async function setUpParts<Name extends string>(
  context: TestContext,
  parts: Record<Name, Part>,
  route: Partial<NonNullable<Setup['routes']>[string]>,
  options: Partial<Setup> = {},
) {
  const names = Object.keys(parts) as Name[];
  const upstreams = {} as Record<Name, ScriptedUpstream>;
  const providers: Providers = {};
  for (const name of names) {
    const { script, model = {}, provider } = parts[name];
    upstreams[name] = await startUpstream(context, script ?? answered());
    const baseUrl = upstreams[name].url;
    providers[name] = { type: 'openai-compatible', baseUrl, models: { m: model }, ...provider };
  }
  const targets = names.map((name) => `${name}/m`);
  const gateway = await startGateway(context, {
    providers,
    routes: { r: { targets, ...route } },
    ...options,
  });

  function ask(text = 'Hi', more: object = {}, headers: Record<string, string> = {}): Promise<Response> {
    const body = { model: 'r', messages: [{ role: 'user', content: text }], ...more };
    return post(`${gateway.url}/v1/chat/completions`, body, headers);
  }

  /** Asks, and tells who answered. */
  async function who(...args: Parameters<typeof ask>): Promise<string | null> {
    const response = await ask(...args);
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return response.headers.get('x-gateway-provider');
  }

  async function whoInTurn(times: number, ...args: Parameters<typeof ask>): Promise<(string | null)[]> {
    const answers: (string | null)[] = [];
    for (let left = times; left > 0; left--) answers.push(await who(...args));
    return answers;
  }

  return { gateway, upstreams, ask, who, whoInTurn };
}

/** What `GET /exchanges/:id` tells of the exchange that gave this answer. */
export async function recordOf(url: string, response: Response, headers: Record<string, string> = {}) {
  const id = response.headers.get('x-request-id');
  return (await (await fetch(`${url}/exchanges/${id}`, { headers })).json()) as RecordJson;
}

interface RecordJson {
  policy: string | null;
  strategy: string | null;
  tier: string | null;
  complexity: number | null;
  outcome: string;
  end_reason: string;
  attempts: { provider: string; decision: string; reason: string }[];
}

/** `provider decision reason` of each attempt. */
export function toldBy({ attempts }: RecordJson): string[] {
  return attempts.map(({ provider, decision, reason }) => `${provider} ${decision} ${reason}`);
}

/** An answer of so many tokens, to a question of which four bytes are a token; after a while, if that is given. */
export function answered({ tokens = 10, afterMs = 0 } = {}): Script {
  return (response, seen, request) => {
    const prompt_tokens = Math.ceil(seen.body.length / 4);
    const usage = { prompt_tokens, completion_tokens: tokens, total_tokens: prompt_tokens + tokens };
    const answer = () => json({ ...completion, usage })(response, seen, request);
    if (afterMs === 0) answer();
    else setTimeout(answer, afterMs);
  };
}

export async function errorOf(response: Response) {
  const { error } = (await response.json()) as {
    error: { message: string; code: string; param: string | null };
  };
  return { status: response.status, ...error };
}

export const HARD =
  'Analyze this architecture, compare the trade-offs, and prove each edge case step by step.';
export const MIDDLING = 'Compare tea and coffee step by step.';
