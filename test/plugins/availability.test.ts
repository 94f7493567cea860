import assert from 'node:assert/strict';
import { test } from 'node:test';
import { post } from '../helpers/gateway.js';
import { chunk, completion, failing, json, sseThenHang, withResolvers } from '../helpers/upstream.js';
import { setUpParts } from '../wire/strategy-fixture.js';

interface Row {
  provider: string;
  model: string | null;
  obstacle: { reason: string; until: string | null; source: string } | null;
  in_flight: number;
  breaker: { state: string; open_until: string | null } | null;
  cooldowns: { reason: string; endpoint: string | null; until: string | null; source: string }[];
  quotas: {
    resource: string;
    limit: number | null;
    remaining: number | null;
    sent_since: number;
    reset_at: string | null;
    source: string;
  }[];
  limits: { name: string; limit: number; used: number; remaining: number; source: string }[];
}

interface Answer {
  data: Row[];
  queues: { route: string; waiting: number; max_size: number; max_wait_ms: number }[];
  next_cursor: null;
}

async function availability(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${url}/stats/availability`, { headers });
  assert.equal(response.status, 200);
  return (await response.json()) as Answer;
}

async function rowOf(url: string, provider: string, model: string | null): Promise<Row> {
  const { data } = await availability(url);
  const row = data.find((candidate) => candidate.provider === provider && candidate.model === model);
  assert.ok(row, `${provider} ${model}`);
  return row;
}

/** Seconds from now to an instant. */
function inSeconds(instant: string | null | undefined): number {
  return Math.round((Date.parse(String(instant)) - Date.now()) / 1000);
}

test('before anything has happened each provider and target is free', async (t) => {
  const { gateway } = await setUpParts(t, { one: {}, two: {} }, {});
  const answer = await availability(gateway.url);
  const free = { obstacle: null, in_flight: 0, cooldowns: [], quotas: [], limits: [] };
  const closed = { state: 'closed', open_until: null };
  assert.deepEqual(answer, {
    data: [
      { provider: 'one', model: null, breaker: null, ...free },
      { provider: 'one', model: 'm', breaker: closed, ...free },
      { provider: 'two', model: null, breaker: null, ...free },
      { provider: 'two', model: 'm', breaker: closed, ...free },
    ],
    queues: [],
    next_cursor: null,
  });
});

test('a cooldown is shown with its reason, its end, and what said so', async (t) => {
  const { gateway, ask } = await setUpParts(
    t,
    {
      limited: { script: failing(429, 'later', { 'retry-after': '60' }) },
      silent: { script: failing(429, 'later') },
      unpaid: { script: failing(402, 'pay') },
      refused: { script: failing(401, 'who are you?') },
      missing: { script: failing(404, 'no such model') },
    },
    {},
  );
  assert.equal((await ask()).status, 404);
  const cases: [provider: string, model: string | null, reason: string, source: string, seconds: number][] = [
    ['limited', 'm', 'rate_limited', 'retry-after', 60],
    ['silent', 'm', 'rate_limited', 'default', 5],
    ['unpaid', null, 'payment_required', 'http_402', 300],
    ['refused', null, 'quarantined', 'http_401', 300],
    ['missing', 'm', 'model_missing', 'http_404', 300],
  ];
  for (const [provider, model, reason, source, seconds] of cases) {
    const { cooldowns } = await rowOf(gateway.url, provider, model);
    const [cooldown] = cooldowns;
    assert.deepEqual([cooldowns.length, cooldown?.reason, cooldown?.source], [1, reason, source]);
    assert.ok(Math.abs(inSeconds(cooldown?.until) - seconds) <= 2, `${provider}: ${cooldown?.until}`);
  }
  const { obstacle } = await rowOf(gateway.url, 'limited', 'm');
  assert.deepEqual([obstacle?.reason, obstacle?.source], ['rate_limited', 'retry-after']);
  const behind = await rowOf(gateway.url, 'refused', 'm');
  assert.deepEqual([behind.obstacle?.reason, behind.cooldowns], ['quarantined', []]);
  const missing = await rowOf(gateway.url, 'missing', 'm');
  assert.equal(missing.cooldowns[0]?.endpoint, 'chat/completions');
});

test('configured limits show what is used and what is left', async (t) => {
  const limits = { requestsPerMinute: 3, tokensPerDay: 100_000, concurrency: 2 };
  const usage = { prompt_tokens: 700, completion_tokens: 300, total_tokens: 1000 };
  const { gateway, ask } = await setUpParts(
    t,
    { one: { provider: { limits }, script: json({ ...completion, usage }) } },
    {},
  );
  for (let count = 0; count < 3; count++) assert.equal((await ask()).status, 200);
  const row = await rowOf(gateway.url, 'one', null);
  const source = 'configuration';
  const byName = new Map(row.limits.map((limit) => [limit.name, limit]));
  assert.deepEqual(byName.get('requests_per_minute'), {
    name: 'requests_per_minute',
    limit: 3,
    used: 3,
    remaining: 0,
    source,
  });
  assert.deepEqual(byName.get('tokens_per_day'), {
    name: 'tokens_per_day',
    limit: 100_000,
    used: 3000,
    remaining: 97_000,
    source,
  });
  assert.deepEqual(byName.get('concurrency'), {
    name: 'concurrency',
    limit: 2,
    used: 0,
    remaining: 2,
    source,
  });
  assert.deepEqual(
    [row.obstacle?.reason, row.obstacle?.source],
    ['limit_exhausted', 'limits.requestsPerMinute'],
  );
  assert.ok(inSeconds(row.obstacle?.until) > 50);
  assert.equal((await ask()).status, 429);
});

test('what a provider says is left is shown with the header that said it', async (t) => {
  const { gateway, ask } = await setUpParts(
    t,
    {
      one: {
        script: json(completion, 200, {
          'x-ratelimit-limit-requests': '500',
          'x-ratelimit-remaining-requests': '499',
          'x-ratelimit-reset-requests': '2m0s',
          'x-ratelimit-limit-tokens': '40000',
          'x-ratelimit-remaining-tokens': '39000',
          'x-ratelimit-reset-tokens': '30s',
        }),
      },
    },
    {},
  );
  assert.equal((await ask()).status, 200);
  const { quotas } = await rowOf(gateway.url, 'one', 'm');
  const [requests, tokens] = [
    quotas.find(({ resource }) => resource === 'requests'),
    quotas.find(({ resource }) => resource === 'tokens'),
  ];
  assert.deepEqual(
    [requests?.limit, requests?.remaining, requests?.sent_since, requests?.source],
    [500, 499, 0, 'x-ratelimit-remaining-requests'],
  );
  assert.ok(Math.abs(inSeconds(requests?.reset_at) - 120) <= 2);
  assert.deepEqual([tokens?.remaining, tokens?.source], [39_000, 'x-ratelimit-remaining-tokens']);
  assert.ok(Math.abs(inSeconds(tokens?.reset_at) - 30) <= 2);
});

test('a breaker shows that it has opened, and until when', async (t) => {
  const { gateway, ask } = await setUpParts(
    t,
    {
      broken: {
        script: failing(500, 'down'),
        provider: { breaker: { failures: 2, window: '10s', open: '20s' } },
      },
      fine: {},
    },
    {},
  );
  await ask();
  assert.equal((await rowOf(gateway.url, 'broken', 'm')).breaker?.state, 'closed');
  await ask();
  const row = await rowOf(gateway.url, 'broken', 'm');
  assert.deepEqual(
    [row.breaker?.state, row.obstacle?.reason, row.obstacle?.source],
    ['open', 'breaker_open', 'breaker'],
  );
  assert.ok(Math.abs(inSeconds(row.breaker?.open_until) - 20) <= 2);
  const start = Date.now();
  t.mock.method(Date, 'now', () => start + 21_000);
  assert.equal((await rowOf(gateway.url, 'broken', 'm')).breaker?.state, 'half_open');
});

test('requests under way are counted, and those that wait in a queue', async (t) => {
  const begun = withResolvers();
  const { gateway, ask, upstreams } = await setUpParts(
    t,
    { one: { provider: { limits: { concurrency: 1 } } } },
    { queue: { maxSize: 3, maxWait: '20s' } },
  );
  let end = (): void => {};
  upstreams.one.script((response, seen, request) => {
    sseThenHang([chunk({ content: 'Hello' })])(response, seen, request);
    end = () => response.end('data: [DONE]\n\n');
    begun.resolve();
  });
  const stream = await ask('Hi', { stream: true });
  await begun.promise;
  const busy = await rowOf(gateway.url, 'one', 'm');
  assert.deepEqual([busy.in_flight, (await rowOf(gateway.url, 'one', null)).in_flight], [1, 1]);
  const provider = await rowOf(gateway.url, 'one', null);
  assert.deepEqual(
    [provider.obstacle?.reason, provider.limits.find(({ name }) => name === 'concurrency')?.used],
    ['concurrency_full', 1],
  );

  upstreams.one.script(json());
  const waiting = ask();
  const queue = { route: 'r', waiting: 1, max_size: 3, max_wait_ms: 20_000 };
  for (;;) {
    const { queues } = await availability(gateway.url);
    if (queues[0]?.waiting === 0) continue;
    assert.deepEqual(queues, [queue]);
    break;
  }
  end();
  await stream.text();
  assert.equal((await waiting).status, 200);
  const { queues } = await availability(gateway.url);
  assert.deepEqual(queues, [{ ...queue, waiting: 0 }]);
  assert.equal((await rowOf(gateway.url, 'one', 'm')).in_flight, 0);
});

test('it takes the scope read, leaves no record, and names no secret', async (t) => {
  const [web, ops] = ['key-of-the-web-team', 'key-of-the-ops-team'];
  const { gateway, ask } = await setUpParts(
    t,
    { one: { provider: { apiKey: 'provider-secret' } } },
    {},
    {
      keys: [
        { name: 'web', key: web },
        { name: 'ops', key: ops, scopes: ['read'] },
      ],
    },
  );
  await ask('Hi', {}, { authorization: `Bearer ${web}` });
  const denied = await fetch(`${gateway.url}/stats/availability`, { headers: { 'x-api-key': web } });
  assert.equal(denied.status, 403);
  assert.equal((await fetch(`${gateway.url}/stats/availability`)).status, 401);
  const answer = await availability(gateway.url, { 'x-api-key': ops });
  assert.doesNotMatch(JSON.stringify(answer), /secret|-team/);
  await gateway.exchanges(1);
  const wrong = await post(`${gateway.url}/stats/availability`, {}, { 'x-api-key': ops });
  assert.equal(wrong.status, 404);
});
