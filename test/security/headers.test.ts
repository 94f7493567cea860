import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chat, post } from '../helpers/gateway.js';
import { rawExchange, statusesOf } from '../helpers/raw.js';
import { json } from '../helpers/upstream.js';
import { chatLength, chatText, openGateway, UPSTREAM_KEY } from './fixture.js';

const injections: readonly (readonly [what: string, line: string])[] = [
  ['a carriage return in a value', 'x-a: b\rx-injected: 1'],
  ['a NUL in a value', 'x-a: b\0c'],
  ['a space in a name', 'x injected: 1'],
  ['a name with a carriage return', 'x-a\r: 1'],
  ['no name', ': 1'],
  ['no colon', 'x-injected'],
];

for (const [what, line] of injections) {
  test(`a header line with ${what} is refused`, async (t) => {
    const { gateway, upstream } = await openGateway(t);
    assert.deepEqual(statusesOf(await rawExchange(gateway.url, chatText([line, chatLength]))), [400]);
    assert.equal(upstream.seen.length, 0);
  });
}

test('headers by which a server could be talked into something else stay here', async (t) => {
  const { gateway, upstream } = await openGateway(t);
  const sent: Record<string, string> = {
    'x-http-method-override': 'DELETE',
    'x-method-override': 'DELETE',
    'x-original-url': '/admin',
    'x-rewrite-url': '/admin',
    'x-forwarded-for': '10.0.0.1',
    'x-forwarded-prefix': '/admin',
    'x-real-ip': '10.0.0.1',
    'proxy-authorization': 'Basic x',
    'cf-connecting-ip': '10.0.0.1',
    cookie: 'session=1',
    origin: 'http://evil.example',
    referer: 'http://evil.example',
  };
  const lines = Object.entries(sent).map(([name, value]) => `${name}: ${value}`);
  await rawExchange(gateway.url, chatText([...lines, 'x-keep: me', chatLength]));
  const [seen] = upstream.seen;
  assert.ok(seen === undefined, 'a caller that speaks for somebody else is not local');
  const { gateway: open, upstream: reached } = await openGateway(t, { anonymous: 'anywhere' });
  await rawExchange(open.url, chatText([...lines, 'x-keep: me', chatLength]));
  assert.equal(reached.seen[0]?.headers['x-keep'], 'me');
  for (const name of Object.keys(sent)) assert.equal(reached.seen[0]?.headers[name], undefined, name);
});

test('a caller cannot bring a credential of its own, nor remove the gateway’s', async (t) => {
  const { gateway, upstream } = await openGateway(t);
  const attempts = [
    ['authorization: Bearer mine', 'authorization: Bearer theirs'],
    ['connection: authorization, content-length, host', 'authorization: Bearer mine'],
    ['api-key: mine', 'x-goog-api-key: mine', 'x-api-key: mine'],
    ['AUTHORIZATION: Bearer mine'],
  ];
  for (const lines of attempts) {
    assert.deepEqual(statusesOf(await rawExchange(gateway.url, chatText([...lines, chatLength]))), [200]);
  }
  assert.equal(upstream.seen.length, attempts.length);
  for (const { headers } of upstream.seen) {
    assert.equal(headers.authorization, `Bearer ${UPSTREAM_KEY}`);
    assert.ok(!JSON.stringify(headers).includes('mine'));
  }
});

test('of two host headers the first counts, and the provider sees its own', async (t) => {
  const { gateway, upstream } = await openGateway(t);
  assert.deepEqual(
    statusesOf(await rawExchange(gateway.url, chatText(['host: evil.example', chatLength]))),
    [200],
  );
  assert.equal(upstream.seen[0]?.headers.host, new URL(upstream.url).host);
  // The other way round it is no local name, which is what a page of another site would send.
  const rebound = chatText([chatLength]).replace('host: 127.0.0.1', 'host: evil.example\r\nhost: 127.0.0.1');
  assert.deepEqual(statusesOf(await rawExchange(gateway.url, rebound)), [401]);
});

test('names that callers choose cannot break out of a response header', async (t) => {
  const { gateway } = await openGateway(t);
  for (const name of ['a\r\nset-cookie: x=1', 'a\nb', 'ünïcode', '\u0000', '\ud800', ' x ']) {
    const answer = await post(`${gateway.url}/v1/chat/completions`, { ...chat, model: `main/${name}` });
    assert.equal(answer.headers.get('set-cookie'), null);
    assert.match(answer.headers.get('x-gateway-model') ?? '', /^[\x21-\x7e]*$/);
    assert.equal(answer.status, 200, JSON.stringify(name));
  }
  const correlated = await rawExchange(gateway.url, chatText(['x-request-id: a b\tc', chatLength]));
  assert.deepEqual(statusesOf(correlated), [200]);
  const rows = await gateway.exchanges(7);
  assert.equal(rows.at(-1)?.correlation_id, null);
});

test('a provider cannot set cookies, origins, or the gateway’s own headers for its callers', async (t) => {
  const { gateway } = await openGateway(
    t,
    {},
    json(undefined, 200, {
      'set-cookie': 'a=b',
      'access-control-allow-origin': '*',
      'x-gateway-cost': '0',
      'x-request-id': 'theirs',
      'strict-transport-security': 'max-age=1',
    }),
  );
  const { headers } = await post(`${gateway.url}/v1/chat/completions`, chat);
  for (const name of [
    'set-cookie',
    'access-control-allow-origin',
    'x-gateway-cost',
    'strict-transport-security',
  ]) {
    assert.equal(headers.get(name), null, name);
  }
  assert.notEqual(headers.get('x-request-id'), 'theirs');
});
