import assert from 'node:assert/strict';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Ledger, noLedger } from '../../src/db/ledger.js';
import { cancel, commit, conclude, type Exchange, type Outcome } from '../../src/exchange.js';
import { createExchanges } from '../../src/live.js';

const opening = { method: 'POST', endpoint: '/v1/chat/completions' };
const sent = { status: 200, bytesOut: null };

function setUp() {
  const recorded: Exchange[] = [];
  const ledger: Ledger = { ...noLedger(), record: (exchange) => recorded.push(exchange) };
  const exchanges = createExchanges(ledger, 60_000);
  const response = () => new ServerResponse(new IncomingMessage(new Socket()));
  return { recorded, exchanges, open: (to = response()) => exchanges.open(opening, to), response };
}

test('a settled exchange is complete when the ledger gets it', () => {
  const { exchanges, recorded, open } = setUp();
  const exchange = open();
  assert.equal(exchanges.size, 1);
  exchange.delivered = true;
  exchanges.settle(exchange, sent);
  assert.equal(exchanges.size, 0);
  assert.deepEqual(recorded, [exchange]);
  assert.deepEqual([exchange.outcome, exchange.status], ['ok', 200]);
  assert.notEqual(exchange.totalUs, null);
});

test('only the first settling counts', () => {
  const { exchanges, recorded, open } = setUp();
  const exchange = open();
  exchange.delivered = true;
  exchanges.settle(exchange, sent);
  exchanges.settle(exchange, { status: 500, bytesOut: 1 });
  assert.equal(recorded.length, 1);
  assert.equal(exchange.status, 200);
});

test('an exchange of another gateway is not settled here', () => {
  const one = setUp();
  const other = setUp();
  one.exchanges.settle(other.open(), sent);
  assert.deepEqual([one.recorded.length, other.exchanges.size], [0, 1]);
});

test('draining nothing takes no time', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  await setUp().exchanges.drain(60_000);
});

test('draining waits for the last exchange, and tells none to stop that ends in time', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { exchanges, open } = setUp();
  const [first, second] = [open(), open()];
  let drained = false;
  const drain = exchanges.drain(1000).then(() => {
    drained = true;
  });
  exchanges.settle(first, sent);
  t.mock.timers.tick(999);
  await Promise.resolve();
  assert.equal(drained, false);
  exchanges.settle(second, sent);
  await drain;
  assert.deepEqual([first.cancelled, second.cancelled], [null, null]);
});

test('after the deadline the rest is told to stop, and may still end by itself', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { exchanges, open, recorded } = setUp();
  const exchange = open();
  exchange.onCancel = () => {
    conclude(exchange, 'truncated', 'shutdown');
    exchanges.settle(exchange, sent);
  };
  const drain = exchanges.drain(1000);
  t.mock.timers.tick(1000);
  await drain;
  assert.equal(exchange.cancelled, 'shutdown');
  assert.equal(recorded.length, 1);
});

/** Drains an exchange that does not react until the gateway closes it by force. */
async function force(prepare: (exchange: Exchange) => void): Promise<Exchange> {
  const { exchanges, open, recorded, response } = setUp();
  const to = response();
  const exchange = open(to);
  prepare(exchange);
  const drain = exchanges.drain(0);
  await drain;
  assert.ok(to.destroyed);
  assert.deepEqual(recorded, [exchange]);
  return exchange;
}

test('what does not stop is closed by force and recorded as failed, or truncated if it had begun', async () => {
  const [waiting, streaming] = await Promise.all([force(() => {}), force(commit)]);
  assert.deepEqual([waiting.outcome, waiting.endReason, waiting.status], ['failed', 'shutdown', null]);
  assert.deepEqual([streaming.outcome, streaming.endReason], ['truncated', 'shutdown']);
});

test('a complete answer that its client has not taken was cut off by the shutdown, not by the client', async () => {
  const exchange = await force((slow) => {
    commit(slow);
    conclude(slow, 'ok', 'complete');
  });
  assert.deepEqual([exchange.outcome, exchange.endReason], ['truncated', 'shutdown']);
});

test('a shutdown does not rewrite an answer that was delivered', async () => {
  const exchange = await force((done) => {
    commit(done);
    conclude(done, 'ok', 'complete');
    done.delivered = true;
  });
  assert.deepEqual([exchange.outcome, exchange.endReason], ['ok', 'complete']);
});

type Step = (exchange: Exchange, drain: () => void, settle: () => void) => unknown;

const outcomes: Outcome[] = ['ok', 'rejected', 'failed', 'aborted', 'truncated'];
const steps: Record<string, Step> = {
  // What `finish` and `close` of a response do, in any order and any number.
  finish: (exchange, _drain, settle) => {
    exchange.delivered = true;
    settle();
  },
  close: (exchange, _drain, settle) => {
    if (!exchange.delivered && exchange.outcome === null) cancel(exchange, 'client_gone');
    settle();
  },
  settle: (_exchange, _drain, settle) => settle(),
  cancel: (exchange) => cancel(exchange, 'client_gone'),
  commit: (exchange) => commit(exchange),
  drain: (_exchange, drain) => drain(),
};
for (const outcome of outcomes) steps[outcome] = (exchange) => conclude(exchange, outcome, 'upstream_error');

test('in whatever order things happen, each exchange leaves exactly one record', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const plan = fc.array(fc.tuple(fc.nat({ max: 2 }), fc.constantFrom(...Object.keys(steps))), {
    maxLength: 30,
  });
  await fc.assert(
    fc.asyncProperty(plan, async (calls) => {
      const { exchanges, recorded, open } = setUp();
      const all = [open(), open(), open()];
      const firsts = new Map<Exchange, string>();
      const drain = () => void exchanges.drain(1000);
      for (const [index, name] of calls) {
        const exchange = all[index];
        if (exchange === undefined) continue;
        const open = exchange.outcome === null;
        steps[name]?.(exchange, drain, () => exchanges.settle(exchange, sent));
        if (open && exchange.outcome !== null) firsts.set(exchange, exchange.outcome);
      }
      drain();
      while (exchanges.size > 0) {
        t.mock.timers.tick(1000);
        await Promise.resolve();
      }
      t.mock.timers.tick(2000);
      assert.deepEqual(new Set(recorded), new Set(all));
      assert.equal(recorded.length, all.length);
      for (const exchange of all) {
        assert.ok(exchange.outcome !== null && exchange.totalUs !== null);
        const first = firsts.get(exchange);
        if (first !== undefined && first !== 'ok') assert.equal(exchange.outcome, first);
      }
    }),
  );
});
