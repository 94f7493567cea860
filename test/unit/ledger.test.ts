import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { noLedger } from '../../src/db/ledger.js';
import {
  attempt,
  healthy,
  memoryLogger,
  query,
  settled,
  temporaryLedger,
  temporaryPath,
  until,
  usage,
} from './ledger-fixture.js';

const price = {
  input: null,
  output: null,
  cachedInput: null,
  cacheWrite: null,
  reasoning: null,
  audioInput: null,
  audioOutput: null,
  request: null,
  tiers: [],
};

test('an exchange is stored with every field', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  const exchange = settled({
    correlationId: 'mine',
    key: 'web',
    session: 'chat-1',
    streaming: true,
    requestedModel: 'fast',
    route: 'fast',
    policy: 'code',
    strategy: 'cheapest',
    complexity: 0.25,
    tier: 'standard',
    provider: 'groq',
    model: 'llama',
    responseModel: 'llama-3',
    upstreamResponseId: 'chatcmpl-1',
    status: 200,
    upstreamStatus: 201,
    errorCode: 'code',
    errorMessage: 'message',
    finishReason: 'stop',
    usage: usage({
      inputUncached: 1,
      cacheRead: 2,
      cacheWrite: 3,
      outputText: 4,
      reasoning: 5,
      audioInput: 2,
      audioOutput: 4,
      providerCostNano: 7,
    }),
    usageSource: 'reported',
    costNano: 8,
    dearestCostNano: 22,
    priceSource: 'configuration',
    price: { ...price, input: 50_000_000, request: 7 },
    queueUs: 9,
    connectUs: 10,
    headersUs: 11,
    firstContentUs: 12,
    lastByteUs: 13,
    commitUs: 14,
    totalUs: 15,
    overheadUs: 16,
    lagUs: 17,
    bytesIn: 18,
    bytesOut: 19,
    chunks: 20,
    largestGapUs: 21,
    attempts: [attempt({ status: 429, rateLimit: '{"a":"1"}' }), attempt({ number: 2, headersUs: 3 })],
  });
  ledger.record(exchange);
  await ledger.flush();

  assert.deepEqual(query(path, 'select * from exchanges')[0], {
    seq: 1,
    id: exchange.id,
    started_at: exchange.startedAt,
    correlation_id: 'mine',
    key: 'web',
    session: 'chat-1',
    method: 'POST',
    endpoint: '/v1/chat/completions',
    streaming: 1,
    requested_model: 'fast',
    route: 'fast',
    policy: 'code',
    strategy: 'cheapest',
    complexity: 0.25,
    tier: 'standard',
    provider: 'groq',
    model: 'llama',
    response_model: 'llama-3',
    upstream_response_id: 'chatcmpl-1',
    status: 200,
    upstream_status: 201,
    outcome: 'ok',
    end_reason: 'complete',
    error_code: 'code',
    error_message: 'message',
    finish_reason: 'stop',
    input_uncached_tokens: 1,
    cache_read_tokens: 2,
    cache_write_tokens: 3,
    output_text_tokens: 4,
    reasoning_tokens: 5,
    audio_tokens: 6,
    usage_source: 'reported',
    cost_nano: 8,
    dearest_cost_nano: 22,
    provider_cost_nano: 7,
    price_source: 'configuration',
    price_seq: 1,
    attempts: 2,
    queue_us: 9,
    connect_us: 10,
    headers_us: 11,
    first_content_us: 12,
    last_byte_us: 13,
    commit_us: 14,
    total_us: 15,
    overhead_us: 16,
    lag_us: 17,
    bytes_in: 18,
    bytes_out: 19,
    chunks: 20,
    largest_gap_us: 21,
  });
  assert.deepEqual((await ledger.reports.exchange(exchange.id))?.price, {
    input: 0.05,
    output: null,
    cached_input: null,
    cache_write: null,
    reasoning: null,
    audio_input: null,
    audio_output: null,
    request: 7e-9,
    tiers: [],
  });
  assert.deepEqual(query(path, 'select exchange_seq, number, status, rate_limit from attempts'), [
    { exchange_seq: 1, number: 1, status: 429, rate_limit: '{"a":"1"}' },
    { exchange_seq: 1, number: 2, status: 200, rate_limit: null },
  ]);
});

test('what an exchange does not know is null, and so is what no counter can hold', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  ledger.record(
    settled({ totalUs: Number.NaN, bytesIn: Number.POSITIVE_INFINITY, headersUs: -1, queueUs: 1.6 }),
  );
  await ledger.flush();
  const columns = 'input_uncached_tokens, cost_nano, total_us, bytes_in, headers_us, queue_us, provider';
  assert.deepEqual(query(path, `select ${columns} from exchanges`), [
    {
      input_uncached_tokens: null,
      cost_nano: null,
      total_us: null,
      bytes_in: null,
      headers_us: null,
      queue_us: 2,
      provider: null,
    },
  ]);
  assert.deepEqual(query(path, 'select input_uncached_tokens, cost_nano, total_us from rollups'), [
    { input_uncached_tokens: null, cost_nano: null, total_us: null },
  ]);
});

test('a row is committed soon after it was recorded, without anybody asking', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  await ledger.flush();
  const recorded = performance.now();
  ledger.record(settled());
  assert.equal(ledger.health().written, 0);
  await until(() => ledger.health().written === 1);
  const took = performance.now() - recorded;
  // 50 ms, of which `bench/kill.ts` is the proof, on a machine that does nothing else.
  assert.ok(took < 2000, `it took ${took} ms`);
  assert.equal(query(path, 'select * from exchanges').length, 1);
});

test('1024 rows do not wait for the timer, nor hold up the one who records the last', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const ledger = temporaryLedger(t);
  await ledger.flush();
  for (let row = 0; row < 1024; row += 1) ledger.record(settled());
  assert.equal(ledger.health().written, 0);
  while (ledger.health().queued > 0) await nextTurn();
  assert.deepEqual(ledger.health(), healthy({ written: 1024 }));
});

test('a long queue is written in several transactions', async (t) => {
  const ledger = temporaryLedger(t);
  for (let row = 0; row < 2500; row += 1) ledger.record(settled());
  await ledger.flush();
  assert.equal(ledger.health().written, 2500);
});

test('a row that the database refuses is dropped alone, with its attempts, and logged once', async (t) => {
  const path = temporaryPath();
  const logger = memoryLogger();
  const ledger = temporaryLedger(t, { path, logger });
  const twice = settled();
  const badAttempt = settled({ attempts: [attempt(), attempt({ startedUs: Number.NaN })] });
  for (const exchange of [twice, twice, settled({ outcome: null }), badAttempt, settled()]) {
    ledger.record(exchange);
  }
  await ledger.flush();
  assert.deepEqual(ledger.health(), healthy({ written: 2, dropped: 3 }));
  assert.equal(query(path, 'select * from exchanges').length, 2);
  assert.equal(query(path, 'select * from attempts').length, 0);
  assert.deepEqual(query(path, 'select sum(exchanges) as sum from rollups'), [{ sum: 2 }]);
  assert.deepEqual(logger.lines, ['error the database refuses exchanges: they are dropped']);
});

test('sessions are remembered for each key apart, and removing one removes no exchange', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  ledger.record(settled({ session: 'a', startedAt: 2000 }));
  ledger.record(settled({ session: 'a', startedAt: 1000 }));
  ledger.record(settled({ session: 'a', key: 'web', startedAt: 3000 }));
  ledger.record(settled());
  await ledger.flush();
  ledger.record(settled({ session: 'a', startedAt: 5000 }));
  await ledger.flush();
  assert.deepEqual(query(path, 'select key, id, first_at, last_at from sessions order by key'), [
    { key: '', id: 'a', first_at: 1000, last_at: 5000 },
    { key: 'web', id: 'a', first_at: 3000, last_at: 3000 },
  ]);
  assert.deepEqual(query(path, "select * from pragma_foreign_key_list('exchanges')"), []);
});

test('the ledger works in memory', async (t) => {
  const ledger = temporaryLedger(t, { path: ':memory:' });
  ledger.record(settled());
  await ledger.flush();
  const { totals } = await ledger.reports.totals({
    window: { since: 0, until: Date.now() + 1 },
    groupBy: [],
  });
  assert.equal(totals.exchanges, 1);
});

test('a gateway without a database keeps nothing and says so', async () => {
  const ledger = noLedger();
  ledger.record(settled());
  await ledger.flush();
  assert.equal(ledger.path, null);
  assert.deepEqual(ledger.health(), healthy({ status: 'off' }));
  await assert.rejects(ledger.reports.exchange('x'), { code: 'LLM_GATEWAY_LEDGER_OFF', statusCode: 404 });
  await ledger.close();
});
