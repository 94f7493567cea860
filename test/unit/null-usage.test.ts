import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withoutNullUsage } from '../../src/stream/null-usage.js';

const strip = (text: string) => withoutNullUsage(Buffer.from(text)).toString();

test('a null usage goes with its comma, wherever it stands and however it is spaced', () => {
  assert.equal(strip('data: {"id":1,"usage":null}\n\n'), 'data: {"id":1}\n\n');
  assert.equal(strip('data: {"id":1,"usage":null,"x":2}\n\n'), 'data: {"id":1,"x":2}\n\n');
  assert.equal(strip('data: {"usage":null,"x":2}\n\n'), 'data: {"x":2}\n\n');
  assert.equal(strip('data: {"usage": null , "x": 2}\n\n'), 'data: {"x": 2}\n\n');
  assert.equal(strip('data: {"id": 1, "usage": null, "x": 2}\n\n'), 'data: {"id": 1, "x": 2}\n\n');
  assert.equal(strip('data: {"usage":null}\n\n'), 'data: {}\n\n');
});

test('a usage that says something stays, and so does text that looks like one', () => {
  const events = Buffer.from('data: {"usage":{"a":null},"t":"\\"usage\\":null","usage":nul}\n\n');
  assert.equal(withoutNullUsage(events), events);
});

test('every event of a read is looked at, and nothing else changes', () => {
  const event = fc.record({ text: fc.string(), n: fc.double({ noNaN: true, noDefaultInfinity: true }) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 8 }), (events) => {
      const frame = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
      const plain = events.map((value) => frame(value)).join('');
      const withUsage = events.map((value) => frame({ ...value, usage: null })).join('');
      assert.equal(strip(withUsage), plain);
    }),
  );
});
