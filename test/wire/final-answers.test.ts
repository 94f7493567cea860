import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chunk, failing, json, type Script, sse } from '../helpers/upstream.js';
import { errorOf, SECRET, setUp } from './route-fixture.js';

for (const [what, scripts, status, code] of [
  ['500 and then 503', [failing(500, 'a'), failing(503, 'b')], 503, null],
  ['429 and then 500', [failing(429, 'a'), failing(500, 'b')], 500, null],
  ['500 and then 429', [failing(500, 'a'), failing(429, 'b')], 429, null],
  [
    '500 and then a reset',
    [failing(500, 'a'), (_, __, request) => request.socket.resetAndDestroy()],
    502,
    'upstream_error',
  ],
] satisfies [string, Script[], number, string | null][]) {
  test(`${what}: the caller reads the last failure`, async (t) => {
    const { gateway, ask } = await setUp(t, scripts);
    const response = await ask();
    assert.equal(response.status, status);
    const error = await errorOf(response);
    assert.equal(error.code, code);
    if (code === null) assert.equal(error.message, 'b');
    const [row] = await gateway.exchanges(1);
    assert.deepEqual([row?.outcome, row?.status, row?.provider], ['failed', status, 'p2']);
  });
}

test('an upstream that is too slow everywhere is 504', async (t) => {
  const { gateway, ask } = await setUp(t, [() => {}], { timeouts: { firstByte: '30ms' } });
  const response = await ask();
  assert.equal(response.status, 504);
  assert.equal((await errorOf(response)).code, 'upstream_timeout');
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason], ['failed', 'first_byte_timeout']);
});

test('an HTML error page reaches the caller as an error body with its status', async (t) => {
  const { ask } = await setUp(t, [
    (response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<html>Bad gateway</html>'),
  ]);
  const response = await ask();
  assert.equal(response.status, 502);
  assert.match(String(response.headers.get('content-type')), /^application\/json/);
  const error = await errorOf(response);
  assert.deepEqual([error.code, error.type], ['upstream_error', 'upstream_error']);
  assert.match(error.message, /"p1" answered 502: <html>/);
});

for (const status of [401, 403]) {
  test(`${status} everywhere: the caller learns which provider, and the record what it said`, async (t) => {
    const text = 'Account acme-42 was suspended';
    const { gateway, ask } = await setUp(t, [failing(status, text)]);
    const response = await ask();
    const body = await response.text();
    const { error } = JSON.parse(body) as { error: { code: string; message: string } };
    assert.equal(error.code, 'upstream_authentication_failed');
    assert.match(error.message, /"p1"/);
    assert.ok(!body.includes('acme'));
    const [row] = await gateway.exchanges(1);
    assert.deepEqual([row?.error_message, row?.error_code], [text, 'upstream_authentication_failed']);
    assert.equal(gateway.attempts()[0]?.error, text);

    const next = await ask();
    assert.equal(next.status, 503);
    assert.equal((await errorOf(next)).code, 'no_available_target');
    assert.ok(Number(next.headers.get('retry-after')) > 290);
  });
}

const leak = `Incorrect API key provided: ${SECRET}. Header was "Bearer ${SECRET}".`;
const leaks: [what: string, script: Script][] = [
  ['a 400', failing(400, leak)],
  ['a 401', failing(401, leak)],
  ['a 500', failing(500, leak)],
  ['a 429', failing(429, leak)],
  ['a page of text', (response) => response.writeHead(500, { 'content-type': 'text/plain' }).end(leak)],
  ['a 200 with an error', json({ error: { message: leak, code: SECRET } })],
  ['an error event', sse([`data: {"error":{"message":${JSON.stringify(leak)}}}\n\n`])],
];

for (const [what, script] of leaks) {
  test(`${what} that repeats the provider's key does not give it away`, async (t) => {
    const { gateway, stream } = await setUp(t, [script]);
    const response = await stream();
    assert.ok(!(await response.text()).includes(SECRET), 'the caller reads it');
    const rows = await gateway.exchanges(1);
    assert.equal(rows[0]?.outcome, 'failed');
    assert.ok(!JSON.stringify(rows).includes(SECRET), 'it is in the exchange');
    assert.ok(!JSON.stringify(gateway.attempts()).includes(SECRET), 'it is in the attempts');
    assert.match(String(gateway.attempts()[0]?.error), /Incorrect API key/);
  });
}

test('a key that is repeated after content is not in the record', async (t) => {
  const { gateway, stream } = await setUp(t, [
    sse([
      chunk({ content: 'Hel' }),
      `data: {"error":{"message":${JSON.stringify(leak)},"code":"${SECRET}"}}\n\n`,
    ]),
  ]);
  await (await stream()).text();
  const rows = await gateway.exchanges(1);
  assert.equal(rows[0]?.outcome, 'truncated');
  assert.ok(!JSON.stringify([...rows, ...gateway.attempts()]).includes(SECRET));
});
