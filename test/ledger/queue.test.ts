import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Payload } from '../../src/db/payloads.js';
import { BATCH_ROWS, createQueue, type Queue } from '../../src/db/queue.js';
import type { Exchange } from '../../src/exchange.js';
import { settled } from '../unit/ledger-fixture.js';

const failure = () => settled({ outcome: 'failed', endReason: 'upstream_error' });
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

/** Everything that is left, in the order in which it would be written. */
function drained(queue: Queue) {
  const entries = [];
  for (;;) {
    const batch = queue.take();
    if (batch.length === 0) return entries;
    entries.push(...batch);
    queue.forget();
  }
}

test('from 70 % on the bodies of successes are given up, those of failures are not', () => {
  const queue = createQueue(10);
  fill(queue, 7, settled, body(3));
  assert.equal(queue.shed.payloads, 0);
  fill(queue, 1, settled, body(3));
  fill(queue, 1, failure, body(3));
  assert.deepEqual(queue.shed, { exchanges: 0, successes: 0, payloads: 1 });
  assert.deepEqual(
    drained(queue).map(({ payloads }) => payloads.length),
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
  assert.deepEqual(
    drained(queue).map(({ exchange }) => exchange),
    kept,
  );
});

test('a failure that finds the queue full takes the place of the oldest success', () => {
  const queue = createQueue(4);
  const [, ...rest] = fill(queue, 4);
  const failures = fill(queue, 1, failure);
  assert.deepEqual(queue.shed, { exchanges: 1, successes: 1, payloads: 0 });
  assert.deepEqual(
    drained(queue).map(({ exchange }) => exchange),
    [...rest, ...failures],
  );
});

test('a queue full of failures takes the newest for the oldest', () => {
  const queue = createQueue(2);
  const failures = fill(queue, 3, failure);
  assert.deepEqual(queue.shed, { exchanges: 1, successes: 0, payloads: 0 });
  assert.deepEqual(
    drained(queue).map(({ exchange }) => exchange),
    failures.slice(1),
  );
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

test('what was taken stays until it is forgotten, and is not given up', () => {
  const queue = createQueue(2);
  const first = fill(queue, 2, failure);
  const taken = queue.take();
  fill(queue, 3, failure);
  assert.deepEqual(queue.take(), taken);
  assert.deepEqual(
    taken.map(({ exchange }) => exchange),
    first,
  );
  assert.equal(queue.done, 0);
  queue.forget();
  assert.equal(queue.done, queue.arrivals);
  assert.deepEqual([queue.size, queue.shed.exchanges], [0, 3]);
});

test('a batch is bounded in rows and in bytes', () => {
  const queue = createQueue(10_000);
  fill(queue, BATCH_ROWS + 1);
  assert.equal(queue.take().length, BATCH_ROWS);
  queue.forget();
  fill(queue, 2, failure, body(3 * 1024 * 1024));
  assert.equal(queue.take().length, 2, 'the row that was left, and one with a body');
});

test('whatever happens, what is offered is written in order, waiting, or counted as given up', () => {
  const step = fc.constantFrom('success', 'failure', 'take', 'forget');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 20 }), (steps, limit) => {
      const queue = createQueue(limit);
      const pushed: Exchange[] = [];
      const written: Exchange[] = [];
      let taken: Exchange[] = [];
      for (const each of steps) {
        if (each === 'success') pushed.push(...fill(queue, 1));
        else if (each === 'failure') pushed.push(...fill(queue, 1, failure));
        else if (each === 'take') taken = queue.take().map(({ exchange }) => exchange);
        else {
          written.push(...taken);
          taken = [];
          queue.forget();
        }
        assert.ok(queue.size <= limit);
        assert.equal(written.length + queue.size + queue.shed.exchanges, queue.arrivals);
        assert.ok(queue.done <= queue.arrivals);
      }
      written.push(...drained(queue).map(({ exchange }) => exchange));
      const positions = written.map((exchange) => pushed.indexOf(exchange));
      assert.deepEqual(
        positions,
        positions.toSorted((left, right) => left - right),
      );
    }),
  );
});
