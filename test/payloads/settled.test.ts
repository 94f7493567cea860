import assert from 'node:assert/strict';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { type Ledger, noLedger, type Payload } from '../../src/db/ledger.js';
import { createExchanges } from '../../src/live.js';
import { createCapturing } from '../../src/payloads/capture.js';

const opening = { method: 'POST', endpoint: '/v1/chat/completions' };
const ending = { status: 200, bytesOut: null };

function setUp() {
  const recorded: (readonly Payload[] | undefined)[] = [];
  const ledger: Ledger = { ...noLedger(), record: (_exchange, payloads) => recorded.push(payloads) };
  const exchanges = createExchanges(ledger, 60_000, createCapturing({ database: { capture: 'all' } }));
  const open = () => exchanges.open(opening, new ServerResponse(new IncomingMessage(new Socket())));
  return { recorded, exchanges, open };
}

test('a settled exchange gives its bodies to the ledger and keeps none of them', () => {
  const { recorded, exchanges, open } = setUp();
  const exchange = open();
  exchanges.capture(exchange, Buffer.from('{}'));
  assert.ok(exchange.capture);
  exchanges.settle(exchange, ending);
  assert.equal(recorded[0]?.length, 1);
  assert.equal(exchange.capture, null, 'what waits to be written must not hold a body twice');
});

test('whoever listens hears of every exchange once, until it has heard enough', () => {
  const { exchanges, open } = setUp();
  const heard: string[] = [];
  const stop = exchanges.onSettled(({ id }) => heard.push(id));
  const [first, second] = [open(), open()];
  exchanges.settle(first, ending);
  exchanges.settle(first, ending);
  stop();
  exchanges.settle(second, ending);
  assert.deepEqual(heard, [first.id]);
});
