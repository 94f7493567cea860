import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { type TestContext, test } from 'node:test';
import { createParser } from 'eventsource-parser';
import Fastify from 'fastify';
import liveFeed from '../../plugins/live-feed.js';
import { noLedger } from '../../src/db/ledger.js';
import type { Exchange } from '../../src/exchange.js';
import { createFeed } from '../../src/feed.js';
import { createExchanges } from '../../src/live.js';
import { chat, post, startGateway } from '../helpers/gateway.js';
import { settled } from '../unit/ledger-fixture.js';

const echo = { providers: { main: { type: 'echo' as const, models: { 'test-model': {} } } } };

/** A reader of the feed: the data of its events as they come. */
async function follow(t: TestContext, url: string) {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(`${url}/stats/live`, resolve).on('error', reject);
  });
  t.after(() => response.destroy());
  const events: { id: string; outcome: string }[] = [];
  let wake = () => {};
  const parser = createParser({
    onEvent({ event, data }) {
      assert.equal(event, 'exchange');
      events.push(JSON.parse(data));
      wake();
    },
  });
  response.setEncoding('utf8').on('data', (text: string) => parser.feed(text));
  response.on('error', () => {});
  return {
    response,
    async next() {
      while (events.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return events.shift();
    },
  };
}

test('every reader hears of an exchange when it is over, in the words of the list', async (t) => {
  const { url } = await startGateway(t, echo);
  const readers = [await follow(t, url), await follow(t, url)];
  assert.equal(readers[0]?.response.headers['content-type'], 'text/event-stream; charset=utf-8');
  const answer = await post(`${url}/v1/chat/completions`, chat);
  await answer.text();
  const events = await Promise.all(readers.map((reader) => reader.next()));
  assert.deepEqual(events[0], events[1]);
  const listed: { data: unknown[] } = JSON.parse(await (await fetch(`${url}/exchanges`)).text());
  assert.deepEqual(events[0], listed.data[0]);
  await post(`${url}/v1/chat/completions`, '{');
  assert.equal((await readers[0]?.next())?.outcome, 'rejected');
});

test('the feed works without a ledger', async (t) => {
  const { url } = await startGateway(t, { ...echo, database: false });
  const reader = await follow(t, url);
  await (await post(`${url}/v1/chat/completions`, chat)).text();
  assert.equal((await reader.next())?.outcome, 'ok');
});

test('closing the app ends the feed at once', async (t) => {
  const { app, url } = await startGateway(t, echo);
  const { response } = await follow(t, url);
  // Else the server would wait for the connection until it has been idle for more than a minute.
  assert.equal(response.headers.connection, 'close');
  response.resume();
  const ended = once(response, 'end');
  await app.close();
  await ended;
});

test('a reader that leaves is forgotten', async (t) => {
  const { app, url } = await startGateway(t, echo);
  const { response } = await follow(t, url);
  response.destroy();
  await (await post(`${url}/v1/chat/completions`, chat)).text();
  await app.close();
});

test('a reader that does not read is cut off, and nobody waits for it', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  const exchanges = createExchanges(noLedger(), 60_000);
  let publish = (_exchange: Exchange) => {};
  app.decorate('gatewayExchanges', {
    ...exchanges,
    onSettled(listener) {
      publish = listener;
      return () => {};
    },
  });
  await app.register(liveFeed);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const cut = new Promise<void>((resolve) => {
    app.server.once('connection', (socket) => socket.once('close', () => resolve()));
  });
  const { response } = await follow(t, url);
  response.pause();
  // Far more than the connection buffers, in pieces that each fit into what a reader may be behind.
  const exchange = settled({ errorMessage: 'x'.repeat(50_000) });
  for (let count = 0; count < 2000; count += 1) {
    publish(exchange);
    await new Promise(setImmediate);
  }
  await cut;
  response.resume();
  await assert.rejects(once(response, 'end'), /aborted/);
});

test('the feed takes a bounded number of readers, and shows one that may not read everything its own', async (t) => {
  const { url } = await startGateway(t, {
    ...echo,
    keys: [
      { name: 'app', key: 'app-key-0123456789' },
      { name: 'web', key: 'web-key-0123456789' },
      { name: 'ops', key: 'ops-key-0123456789', scopes: ['read'] },
      { name: 'adm', key: 'adm-key-0123456789', scopes: ['admin'] },
    ],
  });
  const status = async (key: string) => {
    const response = await fetch(`${url}/stats/live`, { headers: { authorization: `Bearer ${key}` } });
    t.after(() => response.body?.cancel());
    return response.status;
  };
  const as = (name: string) => ({ authorization: `Bearer ${name}-key-0123456789` });
  assert.equal(await status('adm-key-0123456789'), 403);
  const own = await fetch(`${url}/stats/live`, { headers: as('app') });
  assert.ok(own.body);
  const reader = own.body.getReader();
  await reader.read();
  for (const name of ['web', 'web', 'app']) await post(`${url}/v1/chat/completions`, chat, as(name));
  const [, seen = ''] = /"key":"(\w+)"/.exec(Buffer.from((await reader.read()).value ?? []).toString()) ?? [];
  assert.equal(seen, 'app');
  await reader.cancel();
  const many = await Promise.all(Array.from({ length: 101 }, () => status('ops-key-0123456789')));
  assert.deepEqual(
    many.filter((each) => each !== 200),
    [503],
  );
});

test('who may not read any more, or not everything, is not told any more', async (t) => {
  const ROOT = 'root-key-0123456789';
  const { url } = await startGateway(t, {
    ...echo,
    keys: [{ name: 'root', key: ROOT, scopes: ['admin', 'proxy'] }],
  });
  const call = async (method: string, path: string, body?: object) => {
    const headers = { authorization: `Bearer ${ROOT}`, 'content-type': 'application/json' };
    const response = await fetch(url + path, { method, headers, body: JSON.stringify(body ?? {}) });
    return JSON.parse(await response.text());
  };
  const losses: [name: string, lose: () => Promise<unknown>][] = [
    ['revoked', () => call('DELETE', '/admin/keys/revoked')],
    ['replaced', () => call('POST', '/admin/keys/replaced/rotate', { grace: '0s' })],
    ['demoted', () => call('PATCH', '/admin/keys/demoted', { scopes: ['proxy'] })],
  ];
  for (const [name, lose] of losses) {
    const { key } = await call('POST', '/admin/keys', { name, scopes: ['read'] });
    const feed = await fetch(`${url}/stats/live`, { headers: { authorization: `Bearer ${key}` } });
    const reader = feed.body?.getReader();
    assert.ok(reader);
    await lose();
    let ended = false;
    const reading = (async () => {
      while (!(await reader.read()).done);
      ended = true;
    })();
    const deadline = Date.now() + 10_000;
    while (!ended && Date.now() < deadline) await call('POST', '/v1/chat/completions', chat);
    assert.ok(ended, name);
    await reading;
  }
});

test('one key that reads its own has ten places', async (t) => {
  const { url } = await startGateway(t, { ...echo, keys: [{ name: 'app', key: 'app-key-0123456789' }] });
  const headers = { authorization: 'Bearer app-key-0123456789' };
  const open = async () => {
    const response = await fetch(`${url}/stats/live`, { headers });
    t.after(() => response.body?.cancel());
    return response.status;
  };
  const statuses = await Promise.all(Array.from({ length: 11 }, open));
  assert.deepEqual(statuses.sort(), [...Array(10).fill(200), 503]);
});

test('a feed that is behind destroys its reader and keeps the rest', () => {
  const feed = createFeed(100);
  const [slow, fast] = [feed.open(), feed.open()];
  for (let count = 0; count < 3; count += 1) {
    fast.read();
    feed.publish('exchange', 'x'.repeat(30), 'web');
  }
  assert.equal(slow.destroyed, true);
  assert.equal(fast.destroyed, false);
  assert.equal(feed.size, 1);
  feed.close();
  assert.equal(feed.size, 0);
});

test('a quiet feed sends a comment now and then, only while somebody reads', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const feed = createFeed();
  t.mock.timers.tick(60_000);
  const reader = feed.open();
  reader.read();
  t.mock.timers.tick(15_000);
  assert.equal(String(reader.read()), ': ping\n\n');
  reader.destroy();
});
