import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { prepareHop } from '../../src/db/hops.js';
import { openWriter } from '../../src/db/open.js';
import { sheetOf } from '../../src/db/sheet.js';
import { prepareWriter } from '../../src/db/writer.js';
import { settled } from '../unit/ledger-fixture.js';

const HOUR_MS = 3_600_000;
const START = Date.UTC(2026, 2, 1);
const HOURS = 24 * 6;

const hour = fc.nat({ max: HOURS - 1 });
const target = fc.record({
  hour,
  provider: fc.constantFrom('one', 'two', 'three'),
  key: fc.constantFrom('web', 'ops'),
});
const filter = fc.record(
  { provider: fc.constantFrom('one', 'two', 'nobody'), key: fc.constantFrom('web', 'ops') },
  { requiredKeys: [] },
);

test('the nearest hour with matches is found, on and back, whatever lies between', () => {
  fc.assert(
    fc.property(fc.array(target, { maxLength: 12 }), filter, hour, (made, asked, from) => {
      const client = openWriter(':memory:', { synchronous: 'normal', waitMs: 0 });
      const exchanges = made.map(({ hour: at, provider, key }) =>
        settled({ startedAt: START + at * HOUR_MS, provider, model: 'm', key }),
      );
      prepareWriter(client)({ sheet: sheetOf(exchanges), bodies: [], again: false });
      // Each name is summed by itself: an hour that has both need not have them together.
      const has = (at: number) =>
        Object.entries(asked).every(([name, value]) =>
          made.some((each) => each.hour === at && each[name as 'provider' | 'key'] === value),
        );
      const matches = Array.from({ length: HOURS }, (_, at) => at).filter(has);
      for (const direction of ['back', 'on'] as const) {
        const hop = prepareHop(client, asked, direction);
        if (Object.keys(asked).length === 0) {
          assert.equal(hop, null);
          continue;
        }
        const right =
          direction === 'back' ? matches.findLast((at) => at <= from) : matches.find((at) => at >= from);
        assert.equal(
          hop?.(START + from * HOUR_MS),
          right === undefined ? null : START + right * HOUR_MS,
          direction,
        );
      }
      client.close();
    }),
    { numRuns: 60 },
  );
});
