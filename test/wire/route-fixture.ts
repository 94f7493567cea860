import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { post, type Row, type Setup, startGateway } from '../helpers/gateway.js';
import { completion, json, type Script, startUpstream } from '../helpers/upstream.js';

type Providers = NonNullable<Setup['providers']>;
export type Models = NonNullable<Providers[string]['models']>;

interface Parts {
  /** Of the first provider, the others are as they come. */
  timeouts?: Providers[string]['timeouts'];
  models?: Models[];
}

export const SECRET = 'sk-provider-secret';

/** A route `r` over one provider for each script, called `p1`, `p2`, ...; a URL stands for itself. */
export async function setUp(context: TestContext, scripts: (Script | string)[], parts: Parts = {}) {
  const upstreams = await Promise.all(
    scripts.map((script) => (typeof script === 'string' ? null : startUpstream(context, script))),
  );
  const providers: Providers = {};
  for (const [index, script] of scripts.entries()) {
    providers[`p${index + 1}`] = {
      type: 'openai-compatible',
      baseUrl: upstreams[index]?.url ?? String(script),
      apiKey: SECRET,
      models: parts.models?.[index] ?? { m: {} },
      ...(index === 0 && parts.timeouts !== undefined && { timeouts: parts.timeouts }),
    };
  }
  const gateway = await startGateway(context, {
    providers,
    routes: { r: { targets: scripts.map((_, index) => `p${index + 1}/m`) } },
  });
  const body = { model: 'r', messages: [{ role: 'user', content: 'Hi' }] };
  return {
    gateway,
    /** How many requests each upstream has seen. */
    calls: () => upstreams.map((upstream) => upstream?.seen.length ?? 0),
    upstreams,
    ask: (more: object = {}) => post(`${gateway.url}/v1/chat/completions`, { ...body, ...more }),
    stream: () => post(`${gateway.url}/v1/chat/completions`, { ...body, stream: true }),
  };
}

/** `number provider decision reason status` of each attempt. */
export function told(rows: Row[]): string[] {
  return rows.map((row) =>
    [row.number, row.provider, row.decision, row.reason, row.status ?? '-'].map(String).join(' '),
  );
}

export async function errorOf(
  response: Response,
): Promise<{ message: string; code: unknown; type: unknown }> {
  return ((await response.json()) as { error: { message: string; code: unknown; type: unknown } }).error;
}

export const second = json({ ...completion, id: 'from-the-second' });

export async function answeredBySecond(response: Response): Promise<void> {
  assert.equal(response.status, 200);
  assert.equal(((await response.json()) as { id: string }).id, 'from-the-second');
  assert.equal(response.headers.get('x-gateway-provider'), 'p2');
}
