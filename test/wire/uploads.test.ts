import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { type TestContext, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import { errorOf, startGateway } from '../helpers/gateway.js';
import { failing, json, type Script, type Seen, startUpstream } from '../helpers/upstream.js';

const words = Buffer.from(Array.from({ length: 600_000 }, (_, index) => (index * 31) % 256));

async function setUp(t: TestContext, script: Script, options: object = {}) {
  const upstream = await startUpstream(t, script);
  const spare = await startUpstream(t, json({ text: 'spare' }));
  const gateway = await startGateway(t, {
    providers: {
      main: { type: 'openai-compatible', baseUrl: upstream.url },
      spare: { type: 'openai-compatible', baseUrl: spare.url },
    },
    routes: { speech: { targets: ['main/whisper-1', 'spare/whisper-2'] } },
    ...options,
  });
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
  return { upstream, spare, gateway, client, url: `${gateway.url}/v1` };
}

/** A form as the upstream got it. */
async function formOf(seen: Seen | undefined) {
  const type = seen?.headers['content-type'] ?? '';
  return new Response(new Uint8Array(seen?.body ?? []), { headers: { 'content-type': type } }).formData();
}

test('a file is routed by the model in its form, and is sent whole to each target that is tried', async (t) => {
  const { upstream, spare, gateway, client } = await setUp(t, failing(503, 'overloaded'));
  const file = await toFile(words, 'words.wav', { type: 'audio/wav' });
  // The file comes before the model: where it leads is known at the end only.
  const answer = await client.audio.transcriptions.create({ file, model: 'speech', language: 'en' });
  assert.equal(answer.text, 'spare');
  for (const [server, model] of [
    [upstream, 'whisper-1'],
    [spare, 'whisper-2'],
  ] as const) {
    const form = await formOf(server.seen[0]);
    assert.deepEqual([form.get('model'), form.get('language')], [model, 'en']);
    const sent = form.get('file');
    assert.ok(sent instanceof File);
    assert.deepEqual(Buffer.from(await sent.arrayBuffer()), words);
    assert.equal(server.seen[0]?.headers['content-length'], String(server.seen[0]?.body.length));
  }
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(
    [row?.endpoint, row?.requested_model, row?.model, row?.outcome, row?.attempts],
    ['/v1/audio/transcriptions', 'speech', 'whisper-2', 'ok', 2],
  );
  assert.ok(Number(row?.bytes_in) > words.length);
});

test('a transcription may be text, which is passed on as it comes', async (t) => {
  const { client } = await setUp(t, (response) =>
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end('WEBVTT\n\nHello'),
  );
  const file = await toFile(words, 'words.wav');
  const text = await client.audio.transcriptions.create({ file, model: 'speech', response_format: 'vtt' });
  assert.equal(text, 'WEBVTT\n\nHello');
});

test('a form that asks for a stream gets one', async (t) => {
  const events = [
    'data: {"type":"transcript.text.delta","delta":"Hel"}\n\n',
    'data: {"type":"transcript.text.done","text":"Hel","usage":{"input_tokens":3,"output_tokens":1}}\n\n',
  ];
  const { gateway, client } = await setUp(t, (response) =>
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(events.join('')),
  );
  const file = await toFile(words, 'words.wav');
  const stream = await client.audio.transcriptions.create({ file, model: 'speech', stream: true });
  const types = [];
  for await (const event of stream) types.push(event.type);
  assert.deepEqual(types, ['transcript.text.delta', 'transcript.text.done']);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.streaming, row?.outcome, row?.output_text_tokens], [1, 'ok', 1]);
});

test('what is wrong with a form is said before any target is asked', async (t) => {
  const { upstream, spare, gateway, url } = await setUp(t, json(), { uploadLimit: '100kB' });
  const send = (body: RequestInit['body'], headers?: Record<string, string>) =>
    fetch(`${url}/audio/transcriptions`, { method: 'POST', body: body ?? null, ...(headers && { headers }) });
  const form = new FormData();
  form.set('file', new File(['RIFF'], 'a.wav'));
  const missing = await send(form);
  assert.deepEqual([missing.status, (await errorOf(missing)).param], [400, 'model']);
  form.set('model', 'nothing');
  const unknown = await send(form);
  assert.deepEqual([unknown.status, (await errorOf(unknown)).code], [404, 'model_not_found']);
  const broken = await send('--x\r\ncontent-dis', { 'content-type': 'multipart/form-data; boundary=x' });
  assert.deepEqual([broken.status, (await errorOf(broken)).code], [400, 'invalid_request_error']);
  form.set('file', new File([new Uint8Array(words)], 'a.wav'));
  const large = await send(form);
  assert.deepEqual([large.status, (await errorOf(large)).code], [413, 'request_too_large']);
  assert.equal(upstream.seen.length + spare.seen.length, 0);
  const rows = await gateway.exchanges(4);
  assert.deepEqual(
    rows.map((row) => row.end_reason),
    ['invalid_request', 'no_route', 'invalid_request', 'body_too_large'],
  );
});

test('a client that leaves in the middle of its form reaches no target', async (t) => {
  const { upstream, gateway, url } = await setUp(t, json());
  const outgoing = httpRequest(`${url}/audio/transcriptions`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=x', 'content-length': 5_000_000 },
  });
  outgoing.on('error', () => {});
  outgoing.write('--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n');
  await new Promise((resolve) => outgoing.write(Buffer.alloc(1_000_000), resolve));
  const [socket] = outgoing.socket === null ? await once(outgoing, 'socket') : [outgoing.socket];
  socket.destroy();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason], ['aborted', 'client_gone']);
  assert.equal(upstream.seen.length, 0);
});
