// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfigFile, parseConfig } from '../../src/config.js';
import { temporaryFolder } from '../helpers/folder.js';

const folder = temporaryFolder();

function file(text: string, name = 'gateway.yaml'): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const environment = {
  WEB_KEY: 'web-0123456789abcdef',
  OPS_KEY: 'ops-0123456789abcdef',
  GROQ_API_KEY: 'sk-groq',
};

// The example of the documentation.
const example = `
server: { host: 127.0.0.1, port: 8080 }          # command line only
database:
  path: ./data/gateway.db
  durability: relaxed
  capture: errors
  retention: { exchanges: 90d, payloads: 7d, maxSize: 10GB }
keys:
  - name: web
    key: \${WEB_KEY}
    scopes: [proxy]
    routes: [default]
    limits: { requestsPerMinute: 600, tokensPerMinute: 200000 }
    budget: { usd: 50, per: month }
  - { name: ops, key: \${OPS_KEY}, scopes: [read] }
providers:
  groq:
    type: groq
    apiKey: \${GROQ_API_KEY}
    limits: { requestsPerMinute: 30, tokensPerMinute: 15000, requestsPerDay: 14400, concurrency: 8 }
    timeouts: { connect: 5s, firstByte: 30s, idle: 60s, total: 10m }
    breaker: { failures: 5, window: 60s, open: 30s }
    models:
      llama-3.1-8b-instant:
        alias: llama-8b
        tier: standard
        context: 131072
        price: { input: 0.05, output: 0.08 }
  lab:
    type: openai-compatible
    baseUrl: http://127.0.0.1:8000/v1
    discover: true
routes:
  default:
    strategy: priority
    targets: [groq/llama-3.1-8b-instant, lab/llama-3.1-8b]
    queue: { maxWait: 30s, maxSize: 100 }
  cheap:
    targets: [lab/llama-3.1-8b]
    strategy: cheapest
policies:
  code: { keywords: [function, debug], allow: [ 'groq/*' ], maxPrice: { output: 10 }, strategy: cheapest }
defaultRoute: default
passthroughProvider: groq
disconnect: abort
`;

test('the documented example parses', async () => {
  const config = parseConfig(await loadConfigFile(file(example)), environment);
  assert.equal(config.keys[0]?.limits?.requestsPerMinute, 600);
  assert.equal(config.keys[0]?.budget?.nano, 50_000_000_000);
  assert.equal(config.keys[0]?.key, environment.WEB_KEY);
  assert.equal(config.keys[1]?.key, environment.OPS_KEY);
  assert.equal(config.providers.groq?.apiKey, 'sk-groq');
  assert.equal(config.providers.groq?.timeouts.firstByte, 30_000);
  assert.equal(config.providers.groq?.limits?.requestsPerDay, 14_400);
  assert.equal(config.providers.groq?.breaker?.openMs, 30_000);
  assert.equal(config.providers.groq?.models['llama-3.1-8b-instant']?.price?.output, 80_000_000);
  assert.deepEqual(config.routes.default?.targets, ['groq/llama-3.1-8b-instant', 'lab/llama-3.1-8b']);
  assert.equal(config.defaultRoute, 'default');
  assert.equal(config.routes.cheap?.strategy, 'cheapest');
  assert.deepEqual(config.policies.code?.allow, ['groq/*']);
  assert.equal(config.providers.lab?.discover, 600_000);
});

test('references may stand unquoted inside braces, with any default', async () => {
  const text =
    'server: { host: ${A:-[x], {#}, port: 1 }\n"${K}": "${B}$${C}"\nlist: [${D}, ${E:-a, b}] # ${F}\n';
  assert.deepEqual(await loadConfigFile(file(text.replace('{#', '#'))), {
    server: { host: '${A:-[x], #}', port: 1 },
    '${K}': '${B}$${C}',
    list: ['${D}', '${E:-a, b}'],
  });
});

test('JSON is read too, with tabs, and a key given twice is an error', async () => {
  const json = JSON.stringify({ server: { port: 1 }, keys: [{ key: '${X:-y}' }] }, null, '\t');
  assert.deepEqual(await loadConfigFile(file(json, 'gateway.json')), JSON.parse(json));
  const path = file('{"a": 1,\n "a": 2}', 'twice.json');
  await assert.rejects(loadConfigFile(path), { message: `${path}:2:2 Map keys must be unique` });
});

test('an empty file is an empty configuration', async () => {
  assert.equal(await loadConfigFile(file('# nothing\n')), null);
});

test('a syntax error names file, line and column, and quotes nothing', async () => {
  const cases: [text: string, position: string][] = [
    ['server: {\n  port: 1\n', '3:1'],
    ['a:\n\t- b', '2:1'],
    ['keys:\n  - { key: ${SECRET_A}, name: x } sk-secret: }', '2:35'],
    ['apiKey: !sk-secret x', '1:9'],
    ['a: 1\n---\nb: 2', '2:1'],
  ];
  for (const [text, position] of cases) {
    const path = file(text);
    await assert.rejects(loadConfigFile(path), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'LLM_GATEWAY_INVALID_CONFIG');
      assert.ok(error.message.startsWith(`${path}:${position} `), error.message);
      assert.ok(!error.message.includes('sk-secret'), error.message);
      return true;
    });
  }
});

test('an alias without an anchor is an error that does not print it', async () => {
  const path = file('apiKey: *sk-secret\n');
  await assert.rejects(loadConfigFile(path), {
    code: 'LLM_GATEWAY_INVALID_CONFIG',
    message: /^(?!.*sk-secret)/,
  });
});

test('a file that is not there is a clear error', async () => {
  const path = join(folder, 'none.yaml');
  await assert.rejects(loadConfigFile(path), { message: `${path} cannot be read: there is no such file` });
  await assert.rejects(loadConfigFile(folder), { message: `${folder} cannot be read: EISDIR` });
});

test('a mapping that contains itself is refused', async () => {
  const input = await loadConfigFile(file('server: &s { host: *s, port: *s }'));
  assert.throws(() => parseConfig(input, {}), /server\.host is nested too deeply, or contains itself/);
});
