import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CaptureMode } from '../../src/config.js';
import { parseConfig } from '../../src/config.js';
import { type Capturing, createCapturing } from '../../src/payloads/capture.js';
import { CUT_SLACK, createPreparation, PLAIN_RULES } from '../../src/payloads/prepare.js';

const request = Buffer.from('{"model":"m"}');
const answer = Buffer.from('{"id":"a"}');
const ok = { route: null, outcome: 'ok' };
const all = { database: { capture: 'all', maxPayload: 1000 } } as const;

function begin(capturing: Capturing, own: CaptureMode | null = null, body = request) {
  const capture = capturing.begin(own, body);
  assert.ok(capture);
  return capture;
}

test('by default, and without a database, nothing is captured', () => {
  for (const options of [{}, { database: {} }, { database: false }] as const) {
    assert.equal(createCapturing(options).begin(null, request), null);
  }
});

test('errors captures what did not end well, all captures everything', () => {
  for (const [capture, outcome, count] of [
    ['errors', 'ok', 0],
    ['errors', 'failed', 2],
    ['errors', 'truncated', 2],
    ['errors', 'rejected', 2],
    ['errors', 'aborted', 2],
    ['all', 'ok', 2],
  ] as const) {
    const made = begin(createCapturing({ database: { capture } }));
    made.next().answer(answer);
    assert.equal(made.end({ ...ok, outcome }).length, count, `${capture} ${outcome}`);
  }
});

test('the setting of a key comes before that of the route, and that before the database’s', () => {
  const { plain: plainRoute } = parseConfig({ routes: { plain: { targets: ['echo/echo'] } } }, {}).routes;
  assert.ok(plainRoute);
  const route = (name: string, capture: CaptureMode | null) => {
    return { ...plainRoute, name, capture };
  };
  const capturing = createCapturing({
    database: { capture: 'errors' },
    routes: { open: route('open', 'all'), closed: route('closed', 'none'), normal: route('normal', null) },
  });
  const stored = (own: CaptureMode | null, to: string | null, outcome = 'ok') =>
    capturing.begin(own, request)?.end({ route: to, outcome }).length ?? 'not held';
  assert.equal(stored('none', 'open'), 'not held');
  assert.equal(stored('all', 'closed'), 1);
  assert.equal(stored(null, 'open'), 1);
  assert.equal(stored(null, 'closed', 'failed'), 0);
  assert.equal(stored(null, 'normal', 'failed'), 1);
  assert.equal(stored(null, null), 0);
});

test('what an earlier try answered is forgotten', () => {
  const made = begin(createCapturing(all));
  const first = made.next();
  first.restart('events');
  first.piece(Buffer.from('data: old\n\n'));
  made.next();
  assert.deepEqual(
    made.end(ok).map(({ kind }) => kind),
    ['request'],
  );
});

test('pieces are put together, and kept up to a limit that leaves room for a credential across it', () => {
  const made = begin(createCapturing(all));
  const tried = made.next();
  for (let count = 0; count < 100; count += 1) tried.piece(Buffer.alloc(100, 'x'));
  const response = made.end(ok)[1];
  assert.equal(response?.body.byteLength, 1000 + CUT_SLACK);
  assert.equal(response?.bytes, 10_000);
});

test('a large body is not held on to when only its beginning is kept', () => {
  const large = Buffer.alloc(100_000, 'x');
  const [kept] = begin(createCapturing(all), null, large).end(ok);
  assert.equal(kept?.body.byteLength, 1000 + CUT_SLACK);
  assert.notEqual(kept?.body.buffer, large.buffer);
  assert.equal(kept?.bytes, 100_000);
});

test('all captures together hold a bounded number of bytes, and give their room back', () => {
  const capturing = createCapturing({ database: { capture: 'all', maxPayload: 100_000 } }, 150);
  const [first, second] = [begin(capturing), begin(capturing)];
  const cut = second.next();
  first.next().piece(Buffer.alloc(100));
  cut.piece(Buffer.alloc(100));
  first.end(ok);
  // A part is missing by now, so nothing behind it may follow.
  cut.piece(Buffer.alloc(20));
  const [, part] = second.end(ok);
  assert.deepEqual([part?.body.byteLength, part?.bytes], [50, 120]);
  const third = begin(capturing);
  third.next().piece(Buffer.alloc(150));
  assert.equal(third.end(ok)[1]?.body.byteLength, 150);
});

test('of two tries at once the one that is kept is stored, and the other gives its room back', () => {
  const capturing = createCapturing({ database: { capture: 'all', maxPayload: 100_000 } }, 150);
  const made = begin(capturing);
  const [one, other] = [made.next(), made.beside()];
  one.piece(Buffer.alloc(100, '1'));
  other.piece(Buffer.alloc(20, '2'));
  other.keep();
  one.piece(Buffer.alloc(100, '1'));
  one.answer(answer);
  other.piece(Buffer.alloc(130, '2'));
  assert.equal(String(made.end(ok)[1]?.body), '2'.repeat(150));
  const next = begin(capturing);
  const [first, second] = [next.next(), next.beside()];
  first.piece(Buffer.alloc(75, '1'));
  second.piece(Buffer.alloc(75, '2'));
  assert.equal(String(next.end(ok)[1]?.body), '1'.repeat(75), 'the first, when nobody says which');
  const last = begin(capturing).next();
  last.piece(Buffer.alloc(10));
  last.restart('events');
  const whole = begin(capturing);
  whole.next().piece(Buffer.alloc(150));
  assert.equal(whole.end(ok)[1]?.body.byteLength, 150);
});

const prepare = (rules = {}) => createPreparation({ ...PLAIN_RULES, maxBytes: 100, ...rules });

test('a body that is too long is cut between two characters and marked', () => {
  const [body] = prepare()({ kind: 'request', body: Buffer.from(`x${'é'.repeat(80)}`) });
  assert.equal(body?.shell.length, 99);
  assert.equal(body?.truncated, true);
  assert.equal(body?.bytes, 161);
});

test('a credential across the cut does not leave its beginning behind', () => {
  const text = `${'x '.repeat(45)}sk-${'a1b2'.repeat(20)}`;
  const [body] = prepare()({ kind: 'request', body: Buffer.from(text) });
  assert.doesNotMatch(String(body?.shell), /sk-/);
});

test('a stream is stored as its answer, and its events beside it when that is asked for', () => {
  const event = { choices: [{ index: 0, delta: { content: 'Hi sk-abcdefgh12345678' } }] };
  const stream = {
    kind: 'response',
    form: 'events',
    body: Buffer.from(`data: ${JSON.stringify(event)}\n\n`),
  } as const;
  const kinds = (events: boolean) => prepare({ events, maxBytes: 10_000 })(stream).map(({ kind }) => kind);
  assert.deepEqual(kinds(false), ['response']);
  assert.deepEqual(kinds(true), ['response', 'events']);
  for (const { shell } of prepare({ events: true, maxBytes: 10_000 })(stream)) {
    assert.match(String(shell), /Hi \[redacted\]/);
  }
});

test('configured paths are left out of raw events too', () => {
  const body = Buffer.from(
    'data: {"choices":[{"index":0,"delta":{"content":"private"}}]}\n\ndata: [DONE]\n\n',
  );
  const stored = prepare({ events: true, paths: ['choices.*.delta.content', 'choices.*.message.content'] })({
    kind: 'response',
    form: 'events',
    body,
  });
  assert.equal(stored.length, 2);
  for (const { shell } of stored) assert.doesNotMatch(String(shell), /private/);
  assert.match(String(stored[1]?.shell), /data: \[DONE\]/);
});

test('a stream that cannot be assembled is stored as its events', () => {
  const [stored] = prepare()({ kind: 'response', form: 'events', body: Buffer.from('data: hello\n\n') });
  assert.equal(stored?.kind, 'events');
});
