import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ATTEMPT_FORM,
  createDraft,
  EXCHANGE_FORM,
  exchangeRow,
  named,
  readSheet,
  sheetOf,
} from '../../src/db/sheet.js';
import { attempt, settled } from '../unit/ledger-fixture.js';

const name = fc.option(fc.string({ unit: 'binary', maxLength: 40 }), { nil: null });
const count = fc.option(fc.nat(), { nil: null });
const exchange = fc
  .record({
    id: fc.uuid(),
    correlationId: name,
    session: name,
    upstreamResponseId: name,
    errorMessage: name,
    costNano: count,
    bytesOut: count,
    errors: fc.array(name, { maxLength: 3 }),
  })
  .map(({ errors, ...fields }) =>
    settled({ ...fields, attempts: errors.map((error, at) => attempt({ number: at + 1, error })) }),
  );

test('what crosses to another thread is what was written down, whole or in part', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(exchange, fc.boolean()), { maxLength: 40 }), (made) => {
      const draft = createDraft();
      for (const [each] of made) draft.write(each);
      const kept = made.flatMap(([each, isKept], row) => (isKept ? [{ each, row }] : []));
      const sheet = draft.sheet(kept.map(({ row }) => row));
      const reader = readSheet(structuredClone(sheet, { transfer: [sheet.numbers.buffer as ArrayBuffer] }));
      for (const { each } of kept) {
        assert.ok(reader.next());
        const { correlationId, session, upstreamResponseId, errorMessage, costNano, bytesOut } = each;
        const read = named(EXCHANGE_FORM, reader.exchange);
        const fields = { correlationId, session, upstreamResponseId, errorMessage, costNano, bytesOut };
        for (const [field, value] of Object.entries(fields)) assert.equal(read[field], value, field);
        assert.equal(read.id, each.id);
        assert.equal(reader.attempts(), each.attempts.length);
        for (const [at, { error }] of each.attempts.entries())
          assert.equal(named(ATTEMPT_FORM, reader.attempt(at)).error, error);
      }
      assert.ok(!reader.next());
    }),
  );
});

test('a text that many rows have crosses once', () => {
  const { texts, ownTexts } = sheetOf([settled({ session: 'one' }), settled({ session: 'one' })]);
  assert.equal(texts.filter((text) => text === 'one').length, 1);
  assert.equal(ownTexts.length, 2 * 36);
  assert.equal(exchangeRow(settled({ session: 'one' })).session, 'one');
});
