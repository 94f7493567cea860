import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfigFile, parseConfig } from '../../src/config.js';
import { startCli } from '../cli/helpers.js';
import { chat, post, temporaryFolder } from '../helpers/gateway.js';
import { json, startUpstream } from '../helpers/upstream.js';
import { assertClean, canary, whole } from './canary.js';

test('no secret is in what is said about a configuration that is wrong', async () => {
  const secret = canary.providerKey;
  const provider = (fields: object) => ({ providers: { main: { type: 'openai-compatible', ...fields } } });
  const wrong: unknown[] = [
    provider({ baseUrl: `https://user:${secret}@example.com/v1` }),
    provider({ baseUrl: `https://example.com/v1?key=${secret}` }),
    provider({ baseUrl: `not a url ${secret}@x` }),
    provider({ baseUrl: 'https://example.com', apiKey: `${secret} with spaces` }),
    provider({ baseUrl: 'https://example.com', apiKey: [secret] }),
    provider({ baseUrl: 'https://example.com', apikey: secret }),
    provider({ baseUrl: 'https://example.com', limits: { apiKey: secret } }),
    {
      keys: [
        { name: 'a', key: 'short' },
        { name: 'b', key: secret },
        { name: 'c', key: secret },
      ],
    },
    { keys: [{ name: 'a', key: { value: secret } }] },
    { keys: { web: secret } },
  ];
  for (const each of wrong) {
    assert.throws(
      () => parseConfig(each, {}),
      (error: Error) => {
        assertClean('a configuration error', `${error.message} ${error.stack}`, [secret, 'short']);
        return true;
      },
    );
  }
  const file = join(temporaryFolder(), 'config.yaml');
  const texts = [
    `keys:\n  - { name: a, key: ${secret}`,
    `keys:\n  - name: a\n    key: "${secret}\n`,
    `apiKey: ${secret}\napiKey: ${secret}\n`,
    `a: *${secret}\n`,
    `a: ${secret}\n  b: ${secret}\n`,
    `\t${secret}: x`,
    `{"apiKey": "${secret}"`,
    `a: !${secret} x`,
    `a: !!js/function ${secret}`,
    `%${secret}\n---\n`,
  ];
  for (const each of texts) {
    writeFileSync(file, each);
    const error: unknown = await loadConfigFile(file).catch((cause) => cause);
    assertClean('an error about a file', String(error), [secret]);
  }
});

test('no secret is in what the command line prints, nor in its arguments', async (t) => {
  const upstream = await startUpstream(t, json());
  const config = [
    'server: { port: 0 }',
    `keys: [{ name: web, key: "${canary.gatewayKey}", scopes: [proxy, read] }]`,
    'providers:',
    `  first: { type: openai-compatible, baseUrl: "${upstream.url}", apiKey: "${canary.providerKey}" }`,
    `  second: { type: openai-compatible, baseUrl: "${upstream.url}", apiKey: "\${CANARY_KEY}" }`,
  ].join('\n');
  const setup = {
    config,
    env: { CANARY_KEY: canary.environmentKey, OPENAI_API_KEY: canary.foreign, LOG_LEVEL: 'trace' },
  };
  const check = startCli(t, ['check'], setup);
  assert.equal(await check.ended, 0);
  assertClean('what check prints', check.stdout() + check.stderr());
  const serve = startCli(t, ['serve'], setup);
  const [, url] = await serve.printed(/listens on (\S+)/);
  upstream.script(json({ error: { message: canary.providerKey } }, 401));
  const headers = { authorization: `Bearer ${canary.gatewayKey}` };
  const asked = await post(
    `${url}/v1/chat/completions?key=${canary.query}`,
    { ...chat, model: 'first/m' },
    headers,
  );
  assertClean('an answer', await whole(asked));
  await (
    await post(`${url}/v1/chat/completions`, chat, { authorization: `Bearer ${canary.wrongKey}` })
  ).text();
  await (await fetch(`${url}/%zz?key=${canary.query}`, { headers })).text();
  const { pid } = serve.child;
  if (process.platform === 'linux') {
    const cmdline = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    assert.notEqual(cmdline, '');
    assertClean('the title of the process', cmdline + readFileSync(`/proc/${pid}/comm`, 'latin1'));
  }
  serve.child.kill('SIGTERM');
  await serve.ended;
  assertClean('what serve prints', serve.stdout() + serve.stderr());
});

test('the canaries are found where they are', () => {
  assert.throws(() => assertClean('x', `a ${canary.query} b`));
  assert.throws(() => assertClean('x', JSON.stringify({ key: canary.gatewayKey })));
  assert.throws(() => assertClean('x', Buffer.from(canary.providerKey).toString('base64')));
  assert.throws(() => assertClean('x', canary.providerKey.replaceAll('/', '\\/')));
});
