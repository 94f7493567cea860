import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { post } from '../helpers/gateway.js';
import { hello, runCli, serveCli, startCli } from './helpers.js';
import { until } from './workers-fixture.js';

const WEB_KEY = 'web-secret-0123456789';
const withKey = [
  'keys: [{ name: web, key: "$' + '{WEB_KEY}" }]',
  'providers: { echo: { type: echo } }',
  'routes: { "it\'s": { targets: [echo/echo] } }',
].join('\n');

/** Pastes the printed command into a shell. */
async function paste(output: string, env: Record<string, string> = {}): Promise<unknown> {
  const command = /^ {2}(curl .*)$/m.exec(output)?.[1];
  assert.ok(command);
  const shell = await promisify(execFile)('sh', ['-c', `${command} --silent --show-error --fail`], {
    env: { PATH: process.env.PATH, ...env },
  });
  return JSON.parse(shell.stdout);
}

test('serve without any configuration answers the command that it prints', async (context) => {
  const served = await serveCli(context);
  assert.match(served.stdout(), /^config +no file/m);
  assert.match(served.stdout(), /^keys +none: only callers on this machine/m);
  const answer = await paste(served.stdout());
  assert.match(JSON.stringify(answer), /"content":"Hello"/);
});

test('serve prints a command that takes the key from its variable and never shows it', async (context) => {
  const served = await serveCli(context, { config: withKey, env: { WEB_KEY } });
  assert.match(JSON.stringify(await paste(served.stdout(), { WEB_KEY })), /"content":"Hello"/);
  assert.ok(!served.stdout().includes(WEB_KEY));
});

test('a provider key of the environment is named and not shown', async (context) => {
  const served = await serveCli(context, { env: { GROQ_API_KEY: 'sk-groq-secret' } });
  assert.match(served.stdout(), /^providers +groq .*from GROQ_API_KEY$/m);
  assert.ok(!served.stdout().includes('sk-groq-secret'));
  assert.match(served.stdout(), /"model":"groq\//);
});

test('command line options win over the file', async (context) => {
  const config = 'server: { port: 1 }\ndatabase: { path: ./file.db }\n';
  const served = await serveCli(context, { config }, ['--host', 'localhost', '--db', 'off']);
  assert.match(served.url, /^http:\/\/localhost:\d+$/);
  assert.match(served.stdout(), /^database +off/m);
  assert.equal((await post(`${served.url}/v1/chat/completions`, hello)).status, 200);
  assert.ok(!existsSync(`${served.folder}/file.db`));
});

test('a URL that cannot be routed is answered in the shape of the API', async (context) => {
  const { url } = await serveCli(context);
  const response = await fetch(`${url}/v1/models/%zz`);
  assert.equal(response.status, 400);
  assert.match(await response.text(), /^\{"error":\{"message":/);
});

test('requests write no log lines', async (context) => {
  const served = await serveCli(context);
  const before = served.stdout().length;
  await post(`${served.url}/v1/chat/completions`, hello);
  served.child.kill('SIGTERM');
  await served.ended;
  assert.doesNotMatch(served.stdout().slice(before), /chat\/completions|reqId/);
});

test('serve refuses to open itself to strangers without keys', async (context) => {
  const { code, stdout, stderr } = await runCli(context, ['serve', '--host', '0.0.0.0', '--port', '0']);
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /^configuration: server\.host is "0\.0\.0\.0", .*`anonymous: anywhere`/);
});

test('serve opens itself to strangers when told so, or when there are keys', async (context) => {
  const [everybody, keyed] = await Promise.all([
    serveCli(context, { config: 'anonymous: anywhere\n' }, ['--host', '0.0.0.0']),
    serveCli(context, { config: withKey, env: { WEB_KEY } }, ['--host', '0.0.0.0']),
  ]);
  assert.match(everybody.stdout(), /^keys +none: EVERYBODY/m);
  assert.equal((await fetch(`${everybody.url}/health`)).status, 200);
  assert.equal((await fetch(`${keyed.url}/v1/models`)).status, 401);
});

test('a bad configuration is told problem by problem, without a stack trace', async (context) => {
  const { code, stderr } = await runCli(context, ['serve'], { config: 'routs: {}\ndefaultRoute: nowhere\n' });
  assert.equal(code, 1);
  const lines = stderr.trimEnd().split('\n');
  assert.equal(lines.length, 2);
  for (const line of lines) assert.match(line, /^llm-gateway\.yaml: (routs|defaultRoute) /);
});

test('a database that cannot be opened is told in one line', async (context) => {
  const files = { 'notes.db': 'this is no database, but a text of some length' };
  const { code, stderr } = await runCli(context, ['serve', '--port', '0', '--db', 'notes.db'], { files });
  assert.equal(code, 1);
  assert.match(stderr, /^llm-gateway: database\.path "notes\.db" cannot be opened: .*\n$/);
});

test('a port in use is told in one line', async (context) => {
  const other = createServer().listen(0, '127.0.0.1');
  context.after(() => other.close());
  await once(other, 'listening');
  const address = other.address();
  assert.ok(address !== null && typeof address === 'object');
  const { code, stderr } = await runCli(context, ['serve', '--port', String(address.port)]);
  assert.equal(code, 1);
  assert.equal(
    stderr,
    `llm-gateway: port ${address.port} of 127.0.0.1 is in use: choose another with --port, or stop what uses it\n`,
  );
});

test('an unknown log level is told before anything starts', async (context) => {
  const { code, stderr } = await runCli(context, ['serve', '--port', '0'], { env: { LOG_LEVEL: 'loud' } });
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^llm-gateway: the environment variable LOG_LEVEL must be one of trace, .*, got "loud"\n$/,
  );
});

test('serve goes on when nobody reads its output any more', async (context) => {
  const { child, url } = await serveCli(context, { env: { LOG_LEVEL: 'trace' } });
  assert.ok(child.stdout && child.stderr);
  child.stdout.destroy();
  child.stderr.destroy();
  for (let count = 0; count < 3; count++) {
    // Each is logged, which fails.
    assert.equal((await fetch(`${url}/nowhere`)).status, 404);
    assert.equal((await post(`${url}/v1/chat/completions`, hello)).status, 200);
  }
  child.kill('SIGTERM');
  const [code, signal]: unknown[] = await once(child, 'exit');
  assert.deepEqual({ code, signal }, { code: 0, signal: null });
});

test('serve starts when its reader leaves before it has said all', async (context) => {
  const started = startCli(context, ['serve', '--port', '0'], { env: { LOG_LEVEL: 'info' } });
  const [, url] = await started.printed(/listening at (http:[^"]+)/);
  started.child.stdout?.destroy();
  assert.equal((await post(`${url}/v1/chat/completions`, hello)).status, 200);
});

test('serve goes on when its log cannot be written', { skip: !existsSync('/dev/full') }, async (context) => {
  const port = await freePort();
  const { child } = startCli(context, ['serve', '--port', String(port)], { output: '/dev/full' });
  const url = `http://127.0.0.1:${port}`;
  const health = () =>
    fetch(`${url}/health`)
      .then(({ status }) => status)
      .catch(() => 0);
  await until(health, (status) => status === 200);
  assert.equal((await post(`${url}/v1/chat/completions`, hello)).status, 200);
  child.kill('SIGTERM');
  const [code]: unknown[] = await once(child, 'exit');
  assert.equal(code, 0);
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  await new Promise((closed) => server.close(closed));
  return address.port;
}
