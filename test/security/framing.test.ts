import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { rawExchange, statusesOf } from '../helpers/raw.js';
import { chatLength, chatText, chunked, openGateway, requestText } from './fixture.js';

const CHUNKED = 'transfer-encoding: chunked';

/** Where two servers could disagree about the end of a request. */
const ambiguous: readonly (readonly [what: string, request: string])[] = [
  ['two content-lengths that differ', chatText([chatLength, 'content-length: 5'])],
  ['two content-lengths that agree', chatText([chatLength, chatLength])],
  ['a list of content-lengths', chatText([`${chatLength}, 5`])],
  ['content-length before transfer-encoding', chatText([chatLength, CHUNKED], chunked())],
  ['transfer-encoding before content-length', chatText([CHUNKED, chatLength], chunked())],
  ['transfer-encoding twice', chatText([CHUNKED, CHUNKED], chunked())],
  ['chunked twice in one line', chatText(['transfer-encoding: chunked, chunked'], chunked())],
  ['something after chunked', chatText(['transfer-encoding: chunked, identity'], chunked())],
  ['an unknown transfer-encoding', chatText(['transfer-encoding: xchunked'], chunked())],
  ['a space before the colon', chatText(['transfer-encoding : chunked'], chunked())],
  ['a vertical tab before the value', chatText(['transfer-encoding: \x0bchunked'], chunked())],
  ['a content-length with a sign', chatText([chatLength.replace(': ', ': +')])],
  ['a negative content-length', chatText(['content-length: -1'])],
  ['a hexadecimal content-length', chatText(['content-length: 0x40'])],
  ['a content-length with a space in it', chatText(['content-length: 4 0'])],
  ['a content-length beyond every number', chatText(['content-length: 99999999999999999999'])],
  ['an empty content-length', chatText(['content-length:'])],
  ['a chunk size that is none', chatText([CHUNKED], chunked('zz'))],
  ['a chunk size followed by a space', chatText([CHUNKED], chunked('40 '))],
  ['a chunk size beyond every number', chatText([CHUNKED], chunked('ffffffffffffffffff'))],
  ['chunks that end in line feeds alone', chatText([CHUNKED], chunked(undefined, '\n'))],
  ['headers that end in line feeds alone', chatText([chatLength]).replaceAll('\r\n', '\n')],
  ['a header that goes on in the next line', chatText(['x-a: b\r\n c', chatLength])],
  ['a header without a host', chatText([chatLength]).replace('host: 127.0.0.1\r\n', '')],
];

for (const [what, request] of ambiguous) {
  test(`a request with ${what} is refused, and nothing of it reaches a provider`, async (t) => {
    const { gateway, upstream } = await openGateway(t);
    assert.deepEqual(statusesOf(await rawExchange(gateway.url, request)), [400]);
    assert.equal(upstream.seen.length, 0);
  });
}

test('what a body hides behind its end is not taken for a request', async (t) => {
  const { gateway, upstream } = await openGateway(t);
  const hidden = requestText('GET /ai/v1/files/hidden');
  const attempts = [
    requestText('GET /ai/v1/files', [`content-length: ${hidden.length}`], hidden),
    requestText('DELETE /ai/v1/files/1', [`content-length: ${hidden.length}`], hidden),
    chatText([CHUNKED], `${chunked()}${hidden}`),
    chatText([chatLength], `${chatText([]).split('\r\n\r\n')[1]}${hidden}`),
  ];
  for (const attempt of attempts) assert.equal(statusesOf(await rawExchange(gateway.url, attempt)).length, 1);
  assert.ok(!upstream.seen.some(({ url }) => url.includes('hidden')));
});

test('the provider sees one framing, which is the gateway’s own', async (t) => {
  const { gateway, upstream } = await openGateway(t);
  const extended = chatText(
    [CHUNKED, 'te: trailers', 'trailer: x-late'],
    chunked().replace('\r\n', ';a="b"\r\n'),
  );
  assert.deepEqual(statusesOf(await rawExchange(gateway.url, extended)), [200]);
  const [seen] = upstream.seen;
  assert.equal(seen?.headers['content-length'], String(seen?.body.length));
  for (const name of ['transfer-encoding', 'te', 'trailer'])
    assert.equal(seen?.headers[name], undefined, name);
});

test('a body that is shorter than it says is no request', async (t) => {
  const { gateway, upstream } = await openGateway(t);
  const { hostname, port } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  socket.end(chatText(['content-length: 5000']));
  await new Promise((resolve) => socket.on('close', resolve).resume());
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, upstream.seen.length], ['aborted', 0]);
});
