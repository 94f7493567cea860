import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorOf, startGateway } from '../helpers/gateway.js';
import { json, startUpstream } from '../helpers/upstream.js';

test('a model with a line break in it is the caller’s mistake, not the gateway’s', async (t) => {
  const upstream = await startUpstream(t, json({ text: 'Hi' }));
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
  });
  for (const model of ['main/a\r\nb', 'main/a\nb']) {
    const part = (name: string, value: string) =>
      `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    const response = await fetch(`${gateway.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body: `${part('model', model)}${part('file', 'x')}--b--\r\n`,
    });
    const error = await errorOf(response);
    assert.deepEqual([response.status, error.code, error.param], [400, 'invalid_request_error', 'model']);
  }
  const rows = await gateway.exchanges(2);
  assert.deepEqual(
    new Set(rows.map((row) => `${row.outcome} ${row.end_reason}`)),
    new Set(['rejected invalid_request']),
  );
  assert.deepEqual(gateway.attempts(), []);
  assert.equal(upstream.seen.length, 0);
});

test('a part that only a lenient server would see does not get past the routing', async (t) => {
  const upstream = await startUpstream(t, json({ text: 'Hi' }));
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
  });
  const hidden = '\n--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nsecret\n--b--';
  const response = await fetch(`${gateway.url}/v1/audio/transcriptions`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
    body: `--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nmain/small\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nx${hidden}\r\n--b--\r\n`,
  });
  assert.equal(response.status, 400);
  assert.match((await errorOf(response)).message, /begins like a boundary/);
  assert.equal(upstream.seen.length, 0);
});
