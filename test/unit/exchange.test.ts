import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  beginAttempt,
  cancel,
  commit,
  conclude,
  type Exchange,
  finish,
  openExchange,
  skipAttempt,
} from '../../src/exchange.js';

function open(): Exchange {
  return openExchange({ method: 'POST', endpoint: '/v1/chat/completions' });
}

test('an exchange opens with nothing made up', () => {
  const exchange = open();
  const known = ['id', 'startedAt', 'startTick', 'method', 'endpoint', 'usageSource'];
  const live = ['streaming', 'delivered', 'enteredUs', 'admittedUs', 'receivedUs', 'upstreamUs', 'attempts'];
  for (const [name, value] of Object.entries(exchange)) {
    if (!known.includes(name) && !live.includes(name)) assert.equal(value, null, name);
  }
  assert.match(exchange.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  assert.equal(exchange.usageSource, 'none');
});

test('a request that arrived a while ago started then', () => {
  const before = Date.now();
  const exchange = openExchange({ method: 'GET', endpoint: '/', agoMs: 500 });
  assert.ok(exchange.startedAt <= Date.now() - 500 && exchange.startedAt >= before - 501);
  finish(exchange, { status: 200, bytesOut: null });
  assert.ok((exchange.totalUs ?? 0) >= 500_000);
});

test('an endpoint is cut at 200 characters', () => {
  assert.equal(openExchange({ method: 'GET', endpoint: `/${'x'.repeat(9000)}` }).endpoint.length, 200);
});

test('the first conclusion stands', () => {
  const exchange = open();
  conclude(exchange, 'failed', 'upstream_reset');
  conclude(exchange, 'ok', 'complete');
  assert.deepEqual([exchange.outcome, exchange.endReason], ['failed', 'upstream_reset']);
});

test('the first reason to stop stands, and stops the work once', () => {
  const exchange = open();
  const told: (string | null)[] = [];
  exchange.onCancel = () => told.push(exchange.cancelled);
  cancel(exchange, 'client_gone');
  cancel(exchange, 'shutdown');
  assert.deepEqual(told, ['client_gone']);
  assert.equal(exchange.cancelled, 'client_gone');
});

test('attempts and skips are numbered together from 1', () => {
  const exchange = open();
  skipAttempt(exchange, 'groq', 'llama', 'rate_limited');
  const sent = beginAttempt(exchange, 'lab', 'llama');
  assert.deepEqual(
    exchange.attempts.map(({ number, provider, decision, reason }) => [number, provider, decision, reason]),
    [
      [1, 'groq', 'skipped', 'rate_limited'],
      [2, 'lab', 'sent', null],
    ],
  );
  assert.equal(exchange.attempts[1], sent);
});

test('the overhead is what neither the host, nor the upload, nor the queue, nor the upstreams took', () => {
  const exchange = openExchange({ method: 'POST', endpoint: '/', agoMs: 300 });
  assert.equal(exchange.enteredUs, 300_000);
  exchange.enteredUs = 100_000;
  exchange.admittedUs = 1_000;
  exchange.receivedUs = 21_000;
  exchange.queueUs = 30_000;
  exchange.upstreamUs = 40_000;
  commit(exchange);
  assert.equal(exchange.overheadUs, (exchange.commitUs ?? 0) - 190_000);
});

test('the overhead is never below zero', () => {
  const exchange = open();
  exchange.upstreamUs = 60_000_000;
  commit(exchange);
  assert.equal(exchange.overheadUs, 0);
});

test('what nobody concluded is concluded by its status', () => {
  const endings: [status: number | null, outcome: string, endReason: string][] = [
    [200, 'ok', 'complete'],
    [302, 'ok', 'complete'],
    [404, 'rejected', 'rejected_by_host'],
    [429, 'rejected', 'rejected_by_host'],
    [500, 'failed', 'internal_error'],
    [null, 'failed', 'internal_error'],
  ];
  for (const [status, outcome, endReason] of endings) {
    const exchange = open();
    exchange.delivered = true;
    finish(exchange, { status, bytesOut: 5 });
    assert.deepEqual([exchange.outcome, exchange.endReason], [outcome, endReason], String(status));
    assert.deepEqual([exchange.status, exchange.bytesOut], [status, 5]);
  }
});

test('an answer that was not delivered was not ok: the client left first', () => {
  for (const conclusion of [null, 'ok'] as const) {
    const exchange = open();
    if (conclusion !== null) conclude(exchange, conclusion, 'complete');
    finish(exchange, { status: 200, bytesOut: null });
    assert.deepEqual([exchange.outcome, exchange.endReason], ['aborted', 'client_gone']);
  }
});

test('an error that was not delivered stays the error it was', () => {
  const exchange = open();
  conclude(exchange, 'truncated', 'upstream_reset');
  finish(exchange, { status: 200, bytesOut: null });
  assert.deepEqual([exchange.outcome, exchange.endReason], ['truncated', 'upstream_reset']);
});

test('the bytes that were counted stand against the length that was announced', () => {
  const exchange = open();
  exchange.bytesOut = 7;
  finish(exchange, { status: 200, bytesOut: 100 });
  assert.equal(exchange.bytesOut, 7);
});

test('whatever happens, a finished exchange has an outcome, a reason and a duration', () => {
  const outcome = fc.constantFrom('ok', 'rejected', 'failed', 'aborted', 'truncated', null);
  const status = fc.option(fc.integer({ min: 100, max: 599 }));
  fc.assert(
    fc.property(outcome, fc.boolean(), status, (concluded, delivered, sent) => {
      const exchange = open();
      exchange.delivered = delivered;
      if (concluded !== null) conclude(exchange, concluded, 'upstream_error');
      finish(exchange, { status: sent, bytesOut: null });
      assert.ok(exchange.outcome !== null && exchange.endReason !== null && exchange.totalUs !== null);
      if (exchange.outcome === 'ok') assert.ok(delivered, 'ok without delivery');
      if (concluded !== null && concluded !== 'ok') assert.equal(exchange.outcome, concluded);
    }),
  );
});
