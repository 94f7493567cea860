import type { TestContext } from 'node:test';
import { LLMock } from '@copilotkit/aimock';
import OpenAI from 'openai';
import { type RunningGateway, type Setup, startGateway } from './gateway.js';

/** The official client before a third-party upstream, once with the gateway in between and once without. */
export interface Clients {
  mock: LLMock;
  gateway: RunningGateway;
  through: OpenAI;
  direct: OpenAI;
}

/** What the mock answers is fixed to the last field, so that two answers can be compared whole. */
export const fixed = { id: 'chatcmpl-fixed', created: 1_700_000_000, systemFingerprint: 'fp_fixed' };

/** The model that the gateway declares under the name the upstream knows it by. */
export const MODEL = 'gpt-4o';
const API_KEY = 'sk-upstream-secret';

/** Starts everything on free loopback ports; it ends with the test. */
export async function startClients(context: TestContext, setup: Setup = {}): Promise<Clients> {
  // It refuses whatever does not carry the provider's own key.
  const mock = new LLMock({ host: '127.0.0.1', port: 0, auth: { apiKeys: [API_KEY] } });
  await mock.start();
  let started: RunningGateway | null = null;
  context.after(async () => {
    // After an abort, fetch opens a connection in advance. A server that closes waits for one that was never used.
    started?.app.server.closeAllConnections();
    await started?.app.close();
    await mock.stop();
  });
  const gateway = await startGateway(context, {
    providers: {
      main: {
        type: 'openai-compatible',
        baseUrl: `${mock.url}/v1`,
        apiKey: API_KEY,
        models: {
          [MODEL]: { price: { input: 2.5, output: 10 } },
          'meta/llama-3.1:8b': {},
          'text-embedding-3-small': { alias: 'embed' },
        },
      },
    },
    routes: { fast: { targets: [`main/${MODEL}`] } },
    ...setup,
  });
  started = gateway;
  return {
    mock,
    gateway,
    through: new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'not-for-the-upstream', maxRetries: 0 }),
    direct: new OpenAI({ baseURL: `${mock.url}/v1`, apiKey: API_KEY, maxRetries: 0 }),
  };
}

/** Everything an asynchronous iteration gives. */
export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
