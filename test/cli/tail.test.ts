import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeLine } from '../../src/cli/line.js';
import { settledSummary } from '../../src/db/present.js';
import { post } from '../helpers/gateway.js';
import { settled, usage } from '../unit/ledger-fixture.js';
import { type Cli, hello, runCli, serveCli, startCli } from './helpers.js';

const keyed = {
  config:
    'providers: { echo: { type: echo } }\nkeys: [{ name: web, key: web-key-0123456789, scopes: [proxy, read] }]\n',
};
const authorization = { authorization: 'Bearer web-key-0123456789' };

/** Sends requests until the tail has printed one: it does not say when it has begun to follow. */
async function firstLine(tail: Cli, send: () => Promise<unknown>): Promise<string> {
  const printed = tail.printed(/^.*\n/);
  let found: string | null = null;
  void printed.then(([line]) => {
    found = line;
  });
  while (found === null) {
    await send();
    await Promise.race([printed, new Promise((resolve) => setTimeout(resolve, 50))]);
  }
  return found;
}

test('tail follows a gateway over HTTP and ends when it is told to', async (t) => {
  const { url } = await serveCli(t, keyed);
  const tail = startCli(t, ['tail', '--url', url, '--key', 'web-key-0123456789']);
  const line = await firstLine(tail, async () =>
    (await post(`${url}/v1/chat/completions`, hello, authorization)).text(),
  );
  assert.match(
    line,
    /^\d\d:\d\d:\d\d\.\d{3} ok +200 +\d+ms echo\/echo first \d+ms in \d+ out \d+.* key web\n$/,
  );
  tail.child.kill('SIGINT');
  assert.equal(await tail.ended, 0);
  assert.equal(tail.stderr(), '');
});

test('tail follows the database file of the configuration', async (t) => {
  const { url, folder } = await serveCli(t);
  const tail = startCli(t, ['tail', '--json', '--db', `${folder}/data/gateway.db`]);
  const line = await firstLine(tail, async () => (await post(`${url}/v1/chat/completions`, hello)).text());
  assert.equal(JSON.parse(line).provider, 'echo');
  tail.child.kill('SIGTERM');
  assert.equal(await tail.ended, 0);
});

test('tail connects again when the gateway was away', async (t) => {
  const { url, child, ended } = await serveCli(t);
  const tail = startCli(t, ['tail', '--url', `${url}/`]);
  await firstLine(tail, async () => (await post(`${url}/v1/chat/completions`, hello)).text());
  child.kill('SIGTERM');
  await ended;
  const port = new URL(url).port;
  const again = startCli(t, ['serve', '--port', port]);
  await again.printed(/listens on/);
  const before = tail.stdout().length;
  const deadline = Date.now() + 20_000;
  while (tail.stdout().length === before && Date.now() < deadline) {
    await (await post(`${url}/v1/chat/completions`, hello)).text();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.ok(tail.stdout().length > before);
  assert.match(tail.stderr(), /^(the connection is lost, trying again\n)+$/);
});

test('tail says why it cannot follow', async (t) => {
  const { url } = await serveCli(t, keyed);
  const wrong = await runCli(t, ['tail', '--url', url, '--key', 'no-such-key-0123456789']);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /stats\/live answered 401: The API key is not valid\.\n/);
  const nobody = await runCli(t, ['tail', '--url', 'http://127.0.0.1:9']);
  assert.match(nobody.stderr, /^llm-gateway: http:\/\/127\.0\.0\.1:9 cannot be reached: /);
  assert.match((await runCli(t, ['tail', '--url', 'here'])).stderr, /--url must be where a gateway is/);
  assert.match((await runCli(t, ['tail', '--url', url, '--db', 'x'])).stderr, /exclude each other/);
});

test('a line says what matters and nothing that steers a terminal', () => {
  const summary = settledSummary(
    settled({
      startedAt: Date.UTC(2026, 0, 1, 12, 34, 56, 789),
      route: 'fast',
      provider: 'lab',
      model: 'm',
      status: 200,
      outcome: 'truncated',
      endReason: 'upstream_reset',
      totalUs: 1_500_000,
      usage: usage({ inputUncached: 3, outputText: 4 }),
      costNano: 1000,
      session: 's\x1b[31m\u202e',
      errorMessage: 'gone\nnow',
    }),
  );
  assert.ok(summary);
  assert.equal(
    exchangeLine(summary),
    '12:34:56.789 truncated 200   1.50s fast > lab/m in 3 out 4 cost $0.000001 session s?[31m? upstream_reset error gone?now',
  );
});
