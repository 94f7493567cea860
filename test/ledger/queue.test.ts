import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Payload } from '../../src/db/payloads.js';
import { BATCH_ROWS, createQueue, type Queue } from '../../src/db/queue.js';
import { EXCHANGE_FORM, readSheet } from '../../src/db/sheet.js';
import type { Exchange } from '../../src/exchange.js';
import { attempt, settled } from '../unit/ledger-fixture.js';

const failure = () =>
  settled({ outcome: 'failed', endReason: 'upstream_error', attempts: [attempt(), attempt({ number: 2 })] });
const body = (length: number): Payload[] => [{ kind: 'request', body: new Uint8Array(length) }];

function fill(
  queue: Queue,
  count: number,
  make: () => Exchange = settled,
  payloads: Payload[] = [],
): Exchange[] {
  const made = Array.from({ length: count }, make);
  for (const exchange of made) queue.push({ exchange, payloads });
  return made;
}

/** What would be written together: ids, and how many bodies each has. */
function taken(queue: Queue): { id: unknown; bodies: number }[] {
  const { sheet, bodies } = queue.take();
  const reader = readSheet(sheet);
  const rows = [];
  for (let row = 0; reader.next(); row += 1) {
    const own = bodies.filter((body) => body.row === row);
    const ending = reader.exchange[EXCHANGE_FORM.names.indexOf('outcome')];
    assert.equal(reader.attempts(), ending === 'failed' ? 2 : 0);
    rows.push({ id: reader.exchange[0], bodies: own.length });
  }
  return rows;
}

/** Everything that is left, in the order in which it would be written. */
function drained(queue: Queue) {
  const rows = [];
  for (;;) {
    const batch = taken(queue);
    if (batch.length === 0) return rows;
    rows.push(...batch);
    queue.forget();
  }
}

const idsOf = (rows: readonly { id: unknown }[]) => rows.map(({ id }) => id);

test('from 70 % on the bodies of successes are given up, those of failures are not', () => {
  const queue = createQueue(10);
  fill(queue, 7, settled, body(3));
  assert.equal(queue.shed.payloads, 0);
  fill(queue, 1, settled, body(3));
  fill(queue, 1, failure, body(3));
  assert.deepEqual(queue.shed, { exchanges: 0, successes: 0, payloads: 1 });
  assert.deepEqual(
    drained(queue).map(({ bodies }) => bodies),
    [1, 1, 1, 1, 1, 1, 1, 0, 1],
  );
});

test('from 95 % on successes are given up whole, failures are not', () => {
  const queue = createQueue(20);
  const kept = fill(queue, 19);
  fill(queue, 1);
  assert.deepEqual(queue.shed, { exchanges: 1, successes: 1, payloads: 0 });
  kept.push(...fill(queue, 1, failure));
  assert.equal(queue.shed.exchanges, 1);
  assert.deepEqual(idsOf(drained(queue)), idsOf(kept));
});

test('a failure that finds the queue full takes the place of the oldest success', () => {
  const queue = createQueue(4);
  const [, ...rest] = fill(queue, 4);
  const failures = fill(queue, 1, failure);
  assert.deepEqual(queue.shed, { exchanges: 1, successes: 1, payloads: 0 });
  assert.deepEqual(idsOf(drained(queue)), idsOf([...rest, ...failures]));
});

test('a queue full of failures takes the newest for the oldest', () => {
  const queue = createQueue(2);
  const failures = fill(queue, 3, failure);
  assert.deepEqual(queue.shed, { exchanges: 1, successes: 0, payloads: 0 });
  assert.deepEqual(idsOf(drained(queue)), idsOf(failures.slice(1)));
});

test('bodies are bounded in bytes, those of failures too', () => {
  const queue = createQueue(1000, 100);
  fill(queue, 1, settled, body(70));
  fill(queue, 1, settled, body(1));
  fill(queue, 1, failure, body(30));
  fill(queue, 1, failure, body(1));
  assert.deepEqual(queue.shed, { exchanges: 0, successes: 0, payloads: 2 });
  drained(queue);
  fill(queue, 1, failure, body(100));
  assert.equal(queue.shed.payloads, 2);
});

test('what becomes of an exchange is written until it is written down, and nothing after', () => {
  const queue = createQueue(4);
  const [exchange] = fill(queue, 1, failure);
  assert.ok(exchange);
  exchange.outcome = 'aborted';
  queue.writeDown();
  exchange.outcome = 'ok';
  const reader = readSheet(queue.take().sheet);
  reader.next();
  assert.equal(reader.exchange[EXCHANGE_FORM.names.indexOf('outcome')], 'aborted');
});

test('what was taken stays until it is forgotten, and is not given up', () => {
  const queue = createQueue(2);
  const first = fill(queue, 2, failure);
  assert.deepEqual(idsOf(taken(queue)), idsOf(first));
  fill(queue, 3, failure);
  assert.deepEqual(idsOf(taken(queue)), idsOf(first));
  assert.equal(queue.done, 0);
  queue.forget();
  assert.equal(queue.done, queue.arrivals);
  assert.deepEqual([queue.size, queue.shed.exchanges], [0, 3]);
});

test('a batch is bounded in rows and in bytes', () => {
  const queue = createQueue(10_000);
  fill(queue, BATCH_ROWS + 1);
  assert.equal(taken(queue).length, BATCH_ROWS);
  queue.forget();
  fill(queue, 2, failure, body(3 * 1024 * 1024));
  assert.equal(taken(queue).length, 2, 'the row that was left, and one with a body');
});

test('whatever happens, what is offered is written in order, waiting, or counted as given up', () => {
  const step = fc.constantFrom('success', 'failure', 'write down', 'take', 'forget');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 20 }), (steps, limit) => {
      const queue = createQueue(limit);
      const pushed: unknown[] = [];
      const written: unknown[] = [];
      let underWay: unknown[] = [];
      for (const each of steps) {
        if (each === 'success') pushed.push(...idsOf(fill(queue, 1)));
        else if (each === 'failure') pushed.push(...idsOf(fill(queue, 1, failure)));
        else if (each === 'write down') queue.writeDown();
        else if (each === 'take') underWay = idsOf(taken(queue));
        else {
          written.push(...underWay);
          underWay = [];
          queue.forget();
        }
        assert.ok(queue.size <= limit);
        assert.equal(written.length + queue.size + queue.shed.exchanges, queue.arrivals);
        assert.ok(queue.done <= queue.arrivals);
      }
      written.push(...idsOf(drained(queue)));
      const positions = written.map((id) => pushed.indexOf(id));
      assert.ok(!positions.includes(-1));
      assert.deepEqual(
        positions,
        positions.toSorted((left, right) => left - right),
      );
    }),
  );
});
