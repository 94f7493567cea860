import assert from 'node:assert/strict';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Exchange, openExchange } from '../../src/exchange.js';
import { createInFlight } from '../../src/in-flight.js';

const open = () => openExchange({ method: 'POST', endpoint: '/v1/chat/completions' });
const response = () => new ServerResponse(new IncomingMessage(new Socket()));

test('whatever comes and goes, each exchange is there once, with its own response', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -20, max: 20 }), { maxLength: 200 }), (steps) => {
      const flight = createInFlight();
      const model = new Map<Exchange, ServerResponse>();
      for (const step of steps) {
        if (step >= 0) {
          const [exchange, to] = [open(), response()];
          flight.add(exchange, to);
          model.set(exchange, to);
        } else {
          const exchange = [...model.keys()].at(step);
          if (exchange === undefined) continue;
          assert.equal(flight.has(exchange), true);
          assert.equal(flight.delete(exchange), true);
          assert.equal(flight.delete(exchange), false);
          assert.equal(flight.has(exchange), false);
          model.delete(exchange);
        }
        assert.equal(flight.size, model.size);
        assert.ok(new Map(flight.list()).size === model.size);
        for (const [exchange, to] of flight.list()) assert.ok(model.get(exchange) === to);
      }
    }),
    { numRuns: 200 },
  );
});

test('an exchange that is in flight elsewhere is not here', () => {
  const [one, other] = [createInFlight(), createInFlight()];
  const exchange = open();
  one.add(exchange, response());
  other.add(open(), response());
  assert.deepEqual([other.has(exchange), other.delete(exchange), one.has(exchange)], [false, false, true]);
});
