import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { runCli } from './helpers.js';

const config = `
database: { path: ./elsewhere/ledger.db, retention: { maxSize: 5GB } }
keys:
  - { name: web, key: "\${WEB_KEY}", routes: [fast] }
  - { name: ops, key: literal-secret-0123456789, scopes: [read] }
providers:
  groq: { type: groq, apiKey: sk-written-down, models: { llama: { alias: small } } }
  openai: { type: openai }
  cloud: { type: groq, apiKey: "\${CLOUD}" }
  lab: { type: openai-compatible, baseUrl: http://127.0.0.1:9/v1 }
routes:
  fast: { targets: [groq/llama, lab/any/model] }
defaultRoute: fast
`;
const env = {
  WEB_KEY: 'web-secret-0123456789',
  OPENAI_API_KEY: 'sk-from-environment',
  CLOUD: 'sk-from-cloud',
};

test('check says what a configuration means', async (context) => {
  const { code, stdout, folder } = await runCli(context, ['check'], { config, env });
  assert.equal(code, 0);
  assert.match(stdout, /^config +llm-gateway\.yaml$/m);
  assert.match(stdout, /groq +https:\/\/api\.groq\.com\/openai\/v1 +key \*\*\* from the configuration$/m);
  assert.match(stdout, /openai +https:\/\/api\.openai\.com\/v1 +key \*\*\* from OPENAI_API_KEY$/m);
  assert.match(stdout, /cloud +https:\/\/api\.groq\.com\/openai\/v1 +key \*\*\* from CLOUD$/m);
  assert.match(stdout, /lab +http:\/\/127\.0\.0\.1:9\/v1 +no key$/m);
  assert.match(
    stdout,
    /^routes +fast -> groq\/llama, lab\/any\/model {2}\(also for models nothing else knows\)$/m,
  );
  assert.match(stdout, /groq\/llama, also as small$/m);
  assert.match(stdout, /lab\/<any model>$/m);
  assert.match(stdout, /^keys +web \*\*\* {2}proxy; routes fast\n +ops \*\*\* {2}read$/m);
  assert.match(stdout, /^database +\/.*\/elsewhere\/ledger\.db; no bodies; at most 5\.0 GB$/m);
  assert.deepEqual(readdirSync(folder), ['llm-gateway.yaml'], 'no database is opened');
});

test('check prints no secret', async (context) => {
  const { stdout, stderr } = await runCli(context, ['check'], { config, env });
  for (const secret of ['sk-', 'literal-secret', 'web-secret']) {
    assert.ok(!`${stdout}${stderr}`.includes(secret), secret);
  }
});

test('check says one problem a line, with file and path, and exits with 1', async (context) => {
  const bad = 'providers:\n  a: { typ: echo }\nroutes:\n  b: { targets: [nowhere/x] }\n';
  const { code, stdout, stderr } = await runCli(context, ['check', '--config', 'bad.yml'], {
    files: { 'bad.yml': bad },
  });
  assert.equal(code, 1);
  assert.equal(stdout, '');
  const lines = stderr.trimEnd().split('\n');
  assert.equal(lines.length, 3);
  assert.match(lines[0] ?? '', /^bad\.yml: providers\.a\.typ .*did you mean "type"/);
  assert.match(lines[2] ?? '', /^bad\.yml: routes\.b\.targets\[0\] /);
});

test('check refuses what serve would refuse: strangers without keys', async (context) => {
  const open = 'server: { host: 0.0.0.0 }\n';
  const { code, stderr } = await runCli(context, ['check'], { config: open });
  assert.equal(code, 1);
  assert.match(stderr, /^llm-gateway\.yaml: server\.host is "0\.0\.0\.0", .* there are no keys/);
});

test('check says where a file has a syntax error, and that a file is not there', async (context) => {
  const [broken, absent] = await Promise.all([
    runCli(context, ['check'], { config: 'routes: {\n' }),
    runCli(context, ['check', '-c', 'absent.yaml']),
  ]);
  assert.equal(broken.code, 1);
  assert.match(broken.stderr, /^llm-gateway\.yaml:\d+:\d+ /);
  assert.equal(absent.code, 1);
  assert.match(absent.stderr, /^absent\.yaml cannot be read/);
});

test('two configuration files in one folder are one too many', async (context) => {
  const files = { 'llm-gateway.yaml': '{}', 'llm-gateway.json': '{}' };
  const { code, stderr } = await runCli(context, ['check'], { files });
  assert.equal(code, 1);
  assert.match(stderr, /both llm-gateway\.yaml and llm-gateway\.json/);
});
