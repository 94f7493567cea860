import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chat, errorOf, post } from '../helpers/gateway.js';
import { sse } from '../helpers/upstream.js';
import { openGateway } from './fixture.js';

const messages = '"messages":[{"role":"user","content":"Hi"}]';

test('`__proto__` in a body pollutes nothing, and goes to the provider as it came', async (t) => {
  const { gateway, upstream } = await openGateway(t);
  const bodies = [
    `{"model":"main/m",${messages},"__proto__":{"polluted":1}}`,
    `{"model":"main/m",${messages},"constructor":{"prototype":{"polluted":1}}}`,
    `{"model":"main/m","messages":[{"role":"user","content":"Hi","__proto__":{"polluted":1}}]}`,
    `{"model":"main/m",${messages},"stream_options":{"__proto__":{"include_usage":true}}}`,
    `{"model":"main/m",${messages},"tools":[{"__proto__":{"polluted":1}}]}`,
  ];
  for (const body of bodies) {
    assert.equal((await post(`${gateway.url}/v1/chat/completions`, body)).status, 200);
    assert.equal(upstream.seen.at(-1)?.body.toString(), body.replace('main/m', 'm'));
    assert.equal((await post(`${gateway.url}/explain`, body)).status, 200);
  }
  assert.equal('polluted' in {}, false);
  assert.deepEqual(Object.keys(Object.prototype), []);
});

test('`__proto__` as a name is a name that is not there', async (t) => {
  const { gateway, upstream } = await openGateway(t, {
    providers: { e: { type: 'echo' } },
    passthroughProvider: 'e',
  });
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    const url = `${gateway.url}/v1/chat/completions`;
    assert.equal((await post(url, { ...chat, model: name })).status, 404, name);
    assert.equal((await post(url, { ...chat, model: `${name}/x` })).status, 404, name);
    assert.equal((await post(url, chat, { 'x-gateway-provider': name })).status, 400, name);
    assert.equal(
      (await post(url, { ...chat, model: 'echo' }, { 'x-gateway-policy': name })).status,
      400,
      name,
    );
    assert.equal((await post(`${gateway.url}/explain?key=${name}`, chat)).status, 400, name);
    assert.equal((await post(`${gateway.url}/explain?endpoint=${name}`, chat)).status, 400, name);
    assert.equal((await fetch(`${gateway.url}/v1/models/${name}`)).status, 404, name);
    assert.equal((await fetch(`${gateway.url}/stats?group_by=${name}`)).status, 400, name);
    assert.ok((await fetch(`${gateway.url}/exchanges/${name}`)).status >= 400, name);
  }
  assert.equal(upstream.seen.length, 0);
});

test('`__proto__` in an answer of a provider pollutes nothing', async (t) => {
  const answer =
    '{"__proto__":{"polluted":1},"usage":{"__proto__":{"prompt_tokens":9},"completion_tokens":1},"choices":[]}';
  const { gateway, upstream } = await openGateway(t, {}, (response) => {
    response.writeHead(200, { 'content-type': 'application/json', __proto__: 'x' }).end(answer);
  });
  assert.equal(await (await post(`${gateway.url}/v1/chat/completions`, chat)).text(), answer);
  upstream.script(sse([`data: ${answer}\n\n`, 'data: [DONE]\n\n']));
  await (await post(`${gateway.url}/v1/chat/completions`, { ...chat, stream: true })).text();
  assert.equal('polluted' in {}, false);
  const [first] = await gateway.exchanges(2);
  assert.deepEqual([first?.input_uncached_tokens, first?.output_text_tokens], [null, 1]);
});

test('a second model in the body is overwritten, however it is spelt', async (t) => {
  const { gateway, upstream } = await openGateway(t, {
    keys: [{ name: 'web', key: 'bound-key-0123456789', routes: ['cheap'] }],
    routes: { cheap: { targets: ['main/small'] } },
  });
  const headers = { authorization: 'Bearer bound-key-0123456789' };
  const ask = (body: string) => post(`${gateway.url}/v1/chat/completions`, body, headers);
  const overwritten = [
    `{"model":"large","model":"cheap",${messages}}`,
    `{"\\u006dodel":"large","model":"cheap",${messages}}`,
    `{"model":"large",${messages},"mode\\u006C":"cheap"}`,
  ];
  for (const body of overwritten) {
    assert.equal((await ask(body)).status, 200, body);
    assert.ok(!upstream.seen.at(-1)?.body.includes('large'), body);
  }
  for (const body of [
    `{"model":"cheap",${messages},"model":"large"}`,
    `{"model":"cheap","\\u006dodel":"main/large",${messages}}`,
  ]) {
    assert.equal((await ask(body)).status, 403, body);
  }
  for (const other of ['Model', 'MODEL', 'mOdel', '\\u004dodel']) {
    const refused = await ask(`{"model":"cheap",${messages},"${other}":"large"}`);
    assert.equal(refused.status, 400, other);
    assert.match((await errorOf(refused)).message, /Write `model` instead of/);
  }
  assert.equal(upstream.seen.length, overwritten.length);
});

test('a hostile body is refused or passed on, and the gateway goes on', async (t) => {
  const { gateway } = await openGateway(t);
  const depth = 200_000;
  const nested = (open: string, close: string) => open.repeat(depth) + close.repeat(depth);
  const bodies = [
    `{"model":"main/m",${messages},"x":${nested('[', ']')}}`,
    `{"model":"main/m",${messages},"x":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`,
    `{"model":"main/m","messages":[{"role":"user","content":${nested('[', ']')}}]}`,
    `{"model":"main/m",${messages},"tools":${nested('[', ']')}}`,
    `{"model":"main/m","messages":[{"role":"user","content":"${'a '.repeat(500_000)}"}]}`,
    `{"model":"main/m","messages":[{"role":"user","content":"${'\\ud83d'.repeat(100_000)}"}]}`,
    `{"model":"main/m","messages":[${'{},'.repeat(100_000)}{}]}`,
    `{"model":"main/m",${messages},"max_tokens":1e308,"n":-1e308}`,
    `{"model":"main/m",${messages},${Array.from({ length: 50_000 }, (_, at) => `"k${at}":0`).join(',')}}`,
    `{"model":"${'m'.repeat(513)}",${messages}}`,
    `{"model":["main/m"],${messages}}`,
    `[${'['.repeat(1000)}`,
    '\u0000',
    '"model"',
    'null',
    '{"model":"main/m","messages":"Hi"}',
    '{"model":"main/m"',
  ];
  for (const [index, body] of bodies.entries()) {
    const answer = await post(`${gateway.url}/v1/chat/completions`, body);
    await answer.arrayBuffer();
    assert.ok(answer.status === 200 || answer.status === 400, `body ${index}: ${answer.status}`);
  }
  const bytes = Buffer.concat([
    Buffer.from('{"model":"main/'),
    Buffer.from([0xff, 0xfe, 0xc0]),
    Buffer.from(`",${messages}}`),
  ]);
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: bytes,
  });
  assert.ok(answer.status === 200 || answer.status === 400);
  assert.equal((await post(`${gateway.url}/v1/chat/completions`, chat)).status, 200);
});

test('a body that says it is packed is not unpacked, so it cannot grow', async (t) => {
  const { gateway, upstream } = await openGateway(t);
  for (const encoding of ['gzip', 'br', 'deflate', 'gzip, gzip']) {
    const answer = await post(`${gateway.url}/v1/chat/completions`, chat, { 'content-encoding': encoding });
    await answer.arrayBuffer();
    assert.ok(upstream.seen.every(({ headers }) => headers['content-encoding'] === undefined));
  }
});
