import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import gateway, { type GatewayPluginOptions } from '../../src/index.js';
import { temporaryFolder } from '../helpers/gateway.js';
import { createHost } from './host.js';

const providers: GatewayPluginOptions['providers'] = { main: { type: 'echo' } };

/** Options as a program without types may have them. */
function untyped(options: object): GatewayPluginOptions {
  return options;
}

const wrong: [path: string, options: GatewayPluginOptions][] = [
  ['providers.groq.baseUrl', { providers: { groq: { type: 'openai-compatible', baseUrl: 'groq.com' } } }],
  ['providers', { providers: {} }],
  ['routes.fast.targets', { providers, routes: { fast: { targets: ['nobody/model'] } } }],
  ['keys[0].key', { providers, keys: [{ name: 'web', key: 'short' }] }],
  ['drainTimeOut', untyped({ providers, drainTimeOut: 5 })],
  ['database', untyped({ providers, database: true })],
];

for (const [path, options] of wrong) {
  test(`a wrong ${path} fails ready() with a code, and a message that names it`, async (t) => {
    const app = createHost(t);
    app.register(gateway, { prefix: '/ai', database: false, ...options });
    await assert.rejects(
      async () => app.ready(),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'LLM_GATEWAY_INVALID_CONFIG');
        assert.ok(error.message.includes(path), error.message);
        return true;
      },
    );
  });
}

test('a missing variable of the environment fails ready() with the path that asks for it', async (t) => {
  const app = createHost(t);
  app.register(gateway, {
    database: false,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the configuration's own syntax
    providers: { main: { type: 'openai', apiKey: '${NO_SUCH_VARIABLE_HERE}' } },
  });
  await assert.rejects(async () => app.ready(), {
    code: 'LLM_GATEWAY_INVALID_CONFIG',
    message: /providers\.main\.apiKey.*NO_SUCH_VARIABLE_HERE/,
  });
});

test('a database that is none fails ready() with a code, and a message that names the path', async (t) => {
  const path = join(temporaryFolder(), 'gateway.db');
  writeFileSync(path, 'This is no database, and it is long enough to be looked at. '.repeat(100));
  const app = createHost(t);
  app.register(gateway, { prefix: '/ai', database: { path }, providers });
  await assert.rejects(
    async () => app.ready(),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, 'LLM_GATEWAY_DATABASE');
      assert.ok(error.message.includes(path), error.message);
      return true;
    },
  );
});

test('after a failed ready(), the host closes without another error', async (t) => {
  const app = createHost(t);
  const path = join(temporaryFolder(), 'gateway.db');
  app.register(gateway, { prefix: '/ai', database: { path }, providers });
  app.register(async () => {
    throw new Error("the host's own mistake");
  });
  await assert.rejects(async () => app.ready(), /the host's own mistake/);
  await app.close();
});
