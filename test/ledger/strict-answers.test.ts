import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { chat, rawPost, readRows, startGateway, temporaryFolder } from '../helpers/gateway.js';
import {
  chatEvents,
  completion,
  json,
  type Script,
  sse,
  sseThenReset,
  startUpstream,
} from '../helpers/upstream.js';

async function setUp(t: TestContext, script: Script) {
  const upstream = await startUpstream(t, script);
  const path = join(temporaryFolder(), 'strict.db');
  const gateway = await startGateway(t, {
    database: { path, durability: 'strict' },
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
    passthroughProvider: 'main',
  });
  const rows = () => readRows(path, 'SELECT * FROM exchanges');
  return { gateway, rows, url: `${gateway.url}/v1` };
}

/** Reads an answer, and what stood in the ledger at the moment its last byte came. */
async function ledgerAtTheLastByte(
  ask: ReturnType<typeof rawPost>,
  isLast: (text: string) => boolean,
  rows: () => ReturnType<typeof readRows>,
) {
  const response = await ask.response;
  let text = '';
  let found: ReturnType<typeof readRows> | null = null;
  for await (const chunk of response) {
    text += chunk.toString('latin1');
    if (found === null && isLast(text)) found = rows();
  }
  assert.ok(found !== null, 'the last byte came');
  return { found, text };
}

const streamed = JSON.stringify({ ...chat, stream: true });

test('a stream’s terminator comes when its record is in the ledger', async (t) => {
  const { url, rows } = await setUp(t, sse());
  const ask = rawPost(`${url}/chat/completions`, streamed);
  const { found, text } = await ledgerAtTheLastByte(ask, (seen) => seen.includes('[DONE]'), rows);
  assert.equal(text, chatEvents.filter((event) => !event.includes('"usage"')).join(''));
  assert.deepEqual([found.length, found[0]?.outcome, found[0]?.output_text_tokens], [1, 'ok', 2]);
  assert.equal(found[0]?.bytes_out, text.length);
});

test('so does the event that tells that a stream broke off', async (t) => {
  const { url, rows } = await setUp(t, sseThenReset(chatEvents.slice(0, 3)));
  const ask = rawPost(`${url}/chat/completions`, streamed);
  const { found, text } = await ledgerAtTheLastByte(ask, (seen) => seen.includes('"error"'), rows);
  assert.ok(!text.includes('[DONE]'));
  assert.deepEqual([found.length, found[0]?.outcome], [1, 'truncated']);
});

test('a whole answer, small or large, is complete when its record is in the ledger', async (t) => {
  for (const content of ['Hello', 'x'.repeat(500_000)]) {
    const answer = { ...completion, choices: [{ message: { role: 'assistant', content } }] };
    const { url, rows } = await setUp(t, json(answer));
    const ask = rawPost(`${url}/chat/completions`, JSON.stringify(chat));
    const whole = JSON.stringify(answer);
    const { found } = await ledgerAtTheLastByte(ask, (seen) => seen.length === whole.length, rows);
    assert.deepEqual([found.length, found[0]?.outcome, found[0]?.bytes_out], [1, 'ok', whole.length]);
  }
});

test('a download is complete when its record is in the ledger', async (t) => {
  const file = Buffer.alloc(300_000, 7);
  const { url, rows } = await setUp(t, (response) =>
    response
      .writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': file.length })
      .end(file),
  );
  const ask = rawPost(`${url}/files/1/content`, '{}');
  const { found } = await ledgerAtTheLastByte(ask, (seen) => seen.length === file.length, rows);
  assert.deepEqual([found.length, found[0]?.outcome, found[0]?.bytes_out], [1, 'ok', file.length]);
});

test('an error is in the ledger when its caller reads it', async (t) => {
  const { url, rows } = await setUp(t, json({ error: { message: 'no' } }, 400));
  const ask = rawPost(`${url}/chat/completions`, JSON.stringify(chat));
  const { found } = await ledgerAtTheLastByte(ask, (seen) => seen.endsWith('}'), rows);
  assert.deepEqual([found.length, found[0]?.outcome, found[0]?.status], [1, 'failed', 400]);
});
