import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { prepareAlerts } from '../../src/db/alerts.js';
import { openWriter } from '../../src/db/open.js';
import { settled, temporaryLedger, temporaryPath } from './ledger-fixture.js';

const HOUR_MS = 3_600_000;

function database(t: TestContext) {
  const client = openWriter(temporaryPath(), { synchronous: 'normal', waitMs: 0 });
  t.after(() => client.close());
  return client;
}

test('what was spent is the sum of the records of whole hours, by key and by route', async (t) => {
  const row = fc.record({
    key: fc.constantFrom('web', 'ops', null),
    route: fc.constantFrom('fast', null),
    startedAt: fc.integer({ min: 0, max: 5 * HOUR_MS - 1 }),
    costNano: fc.option(fc.nat(1e9)),
  });
  const hour = fc.integer({ min: 0, max: 5 });
  await fc.assert(
    fc.asyncProperty(fc.array(row, { maxLength: 30 }), hour, fc.option(hour), async (rows, from, to) => {
      const ledger = temporaryLedger(t, { path: temporaryPath() });
      for (const fields of rows) ledger.record(settled(fields));
      await ledger.flush();
      const since = from * HOUR_MS;
      const until = to === null ? null : to * HOUR_MS;
      const sum = (kind: 'key' | 'route', name: string) =>
        rows
          .filter((each) => each[kind] === name && each.startedAt >= since)
          .filter(({ startedAt }) => until === null || startedAt < until)
          .reduce((total, { costNano }) => total + (costNano ?? 0), 0);
      const queries = [
        { kind: 'key' as const, name: 'web', since, until },
        { kind: 'route' as const, name: 'fast', since, until },
        { kind: 'key' as const, name: 'nobody', since, until },
      ];
      const expected = queries.map(({ kind, name }) => sum(kind, name));
      assert.deepEqual(await ledger.run('spent', queries), expected);
      await ledger.close();
    }),
    { numRuns: 8 },
  );
});

test('sums stay whole beyond what 32 bits hold', async (t) => {
  const ledger = temporaryLedger(t);
  ledger.record(settled({ key: 'web', costNano: 900_000_000_000_001 }));
  await ledger.flush();
  const query = { kind: 'key', name: 'web', since: 0, until: null } as const;
  assert.deepEqual(await ledger.run('spent', [query]), [900_000_000_000_001]);
});

test('an alert is kept once, taken by one, due again until it is delivered, and given up in the end', (t) => {
  const orders = prepareAlerts(database(t));
  const take = (now: number) => orders({ kind: 'take' }, now).map(({ id, body }) => `${id} ${body}`);
  orders({ kind: 'raise', alert: { id: 'a', body: '1' } }, 0);
  orders({ kind: 'raise', alert: { id: 'a', body: '2' } }, 0);
  assert.deepEqual(take(0), ['a 1']);
  assert.deepEqual(take(0), [], 'somebody has it');
  assert.deepEqual(take(1999), []);
  assert.deepEqual(take(2000), ['a 1']);
  assert.deepEqual(take(5999), []);
  assert.deepEqual(take(6000), ['a 1']);
  orders({ kind: 'delivered', id: 'a' }, 6001);
  assert.deepEqual(take(1e9), []);
  orders({ kind: 'raise', alert: { id: 'a', body: '3' } }, 1e9);
  assert.deepEqual(take(1e9), [], 'what was delivered is not told again');

  orders({ kind: 'raise', alert: { id: 'b', body: '1' } }, 0);
  const tries = Array.from({ length: 20 }, (_, index) => take(index * 2e6).length);
  assert.equal(
    tries.reduce((sum, count) => sum + count, 0),
    10,
  );
});
