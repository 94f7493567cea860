import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { test } from 'node:test';
import { readRows } from '../helpers/gateway.js';
import { failing, json, startUpstream } from '../helpers/upstream.js';
import { countOf, send, sendMany, serveWorkers, until } from './workers-fixture.js';

const key = (name: string, more: object = {}) => ({
  name,
  key: `gw-${name}-0123456789`,
  scopes: ['proxy'],
  ...more,
});
const as = (name: string) => ({ authorization: `Bearer gw-${name}-0123456789` });
const chat = (model: string) => ({ model, messages: [{ role: 'user', content: 'Hi' }] });
const provider = (baseUrl: string, more: object = {}) => ({
  type: 'openai-compatible',
  baseUrl,
  models: { m: {} },
  ...more,
});

test('four workers keep to the limits of one', async (context) => {
  const plain = await startUpstream(context, json());
  const limited = await startUpstream(context, json());
  const cooled = await startUpstream(context, failing(429, 'slow down', { 'retry-after': '60' }));
  const patient = await startUpstream(context, json());
  const narrow = await startUpstream(context, json());
  const priced = { models: { m: { price: { input: 0, output: 0, request: 0.01 } } } };
  const served = await serveWorkers(context, {
    retries: 0,
    keys: [
      key('ops', { scopes: ['proxy', 'read', 'admin'] }),
      key('web', { limits: { requestsPerMinute: 50 } }),
      key('few', { limits: { concurrency: 5 } }),
      key('poor', { budget: { usd: 1, per: 'total' } }),
    ],
    providers: {
      plain: provider(plain.url, priced),
      limited: provider(limited.url, { limits: { requestsPerMinute: 30 } }),
      cooled: provider(cooled.url),
      narrow: provider(narrow.url, { limits: { concurrency: 3 } }),
      patient: provider(patient.url),
    },
    routes: {
      both: { targets: ['limited/m', 'plain/m'] },
      warm: { targets: ['cooled/m', 'plain/m'] },
      line: { targets: ['narrow/m'], queue: { maxWait: '20s', maxSize: 100 } },
    },
  });
  const url = `${served.url}/v1/chat/completions`;

  await context.test('a limit of requests lets exactly so many pass', async () => {
    const answers = await sendMany(300, 40, () => send(url, chat('plain/m'), as('web')));
    assert.deepEqual([countOf(answers, 200), countOf(answers, 429)], [50, 250]);
  });

  await context.test('a limit of concurrency is one for all', async () => {
    const waiting: (() => void)[] = [];
    patient.script((...request) => waiting.push(() => json()(...request)));
    let refused = 0;
    const all = Array.from({ length: 40 }, async () => {
      const answer = await send(url, chat('patient/m'), as('few'));
      if (answer.status === 429) refused += 1;
      return answer;
    });
    await until(
      async () => refused + waiting.length,
      (count) => count === 40,
    );
    for (const go of waiting) go();
    const answers = await Promise.all(all);
    assert.deepEqual([countOf(answers, 200), countOf(answers, 429)], [5, 35]);
    patient.script(json());
    assert.equal((await send(url, chat('patient/m'), as('few'))).status, 200, 'the places are free again');
  });

  await context.test('a budget is spent to the cent, and the records say the same', async () => {
    const answers = await sendMany(500, 40, () => send(url, chat('plain/m'), as('poor')));
    assert.deepEqual([countOf(answers, 200), countOf(answers, 429)], [100, 400]);
    const { text } = await send(`${served.url}/stats/keys?key=poor`, undefined, as('ops'));
    assert.equal(JSON.parse(text).totals.cost_usd, 1);
    const [row] = readRows(
      served.database,
      "SELECT sum(cost_nano) AS nano FROM exchanges WHERE key = 'poor'",
    );
    assert.equal(row?.nano, 1_000_000_000);
  });

  await context.test('a provider sees no more requests than its limit allows, and none fails', async () => {
    const answers = await sendMany(120, 30, () => send(url, chat('both'), as('ops')));
    assert.equal(countOf(answers, 200), 120);
    assert.equal(limited.seen.length, 30);
  });

  await context.test('what waits in one worker is served when another frees a slot', async () => {
    let [inFlight, most] = [0, 0];
    narrow.script((response, seen, request) => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      setTimeout(() => {
        inFlight -= 1;
        json()(response, seen, request);
      }, 50);
    });
    const answers = await sendMany(24, 24, () => send(url, chat('line'), as('ops')));
    assert.equal(countOf(answers, 200), 24);
    assert.equal(most, 3);
  });

  await context.test('a cooldown that one worker learns holds for all from the next request on', async () => {
    assert.equal((await send(url, chat('warm'), as('ops'))).status, 200);
    const answers = await sendMany(20, 5, () => send(url, chat('warm'), as('ops')));
    assert.equal(countOf(answers, 200), 20);
    assert.equal(cooled.seen.length, 1);
  });

  await context.test('statistics, health and keys are those of all workers at once', async () => {
    for (let times = 0; times < 8; times += 1) {
      await send(url, chat('plain/m'), as('ops'));
      const { text } = await send(`${served.url}/stats/keys?key=ops`, undefined, as('ops'));
      assert.equal(JSON.parse(text).totals.exchanges, 120 + 24 + 21 + times + 1);
    }
    const health = JSON.parse((await send(`${served.url}/health`)).text);
    assert.deepEqual([health.status, health.workers], ['ok', { configured: 4, answering: 4 }]);
    const made = await send(`${served.url}/admin/keys`, { name: 'new', scopes: ['proxy'] }, as('ops'));
    const headers = { authorization: `Bearer ${JSON.parse(made.text).key}` };
    const answers = await sendMany(8, 1, () => send(url, chat('plain/m'), headers));
    assert.equal(countOf(answers, 200), 8);
  });

  await context.test('GET /stats/live at one worker shows the exchanges of all', async () => {
    let seen = '';
    const feed = request(`${served.url}/stats/live`, { agent: false, headers: as('ops') });
    feed.on('error', () => {});
    feed.end();
    const [response] = await once(feed, 'response');
    response.setEncoding('utf8').on('data', (piece: string) => {
      seen += piece;
    });
    const sendAs = (session: string) => () =>
      send(url, chat('plain/m'), { ...as('ops'), 'x-session-id': session });
    const shown = (session: string) => seen.split(`"session":"${session}"`).length - 1;
    // The other workers hear of the reader a moment later.
    const heard = async () => {
      await sendMany(4, 1, sendAs('early'));
      return shown('early');
    };
    await until(heard, (count) => count >= 4);
    await sendMany(8, 1, sendAs('late'));
    await until(
      async () => shown('late'),
      (count) => count === 8,
    );
    feed.destroy();
  });

  served.child.kill('SIGTERM');
  assert.equal(await served.ended, 0);
});
