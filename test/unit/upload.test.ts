import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { Pool } from 'undici';
import { UploadError } from '../../src/upload/error.js';
import { receiveUpload, type Upload } from '../../src/upload/upload.js';
import { temporaryFolder } from '../helpers/folder.js';
import { startUpstream } from '../helpers/upstream.js';
import { bytesOf, cut, cuts, leftIn, sourceOf } from './upload-fixture.js';

const kB = 1024;
const B = 'b0undary-of-a-length-that-undici-takes';
const contentType = `multipart/form-data; boundary=${B}`;

function formOf(fields: [name: string, value: string][], file: Buffer = Buffer.from('audio')): Buffer {
  const head = (parameters: string) => `--${B}\r\nContent-Disposition: form-data; ${parameters}\r\n\r\n`;
  return Buffer.concat([
    Buffer.from(head('name="file"; filename="a.mp3"')),
    file,
    Buffer.from(
      `\r\n${fields.map(([name, value]) => `${head(`name="${name}"`)}${value}\r\n`).join('')}--${B}--\r\n`,
    ),
  ]);
}

function receive(body: Buffer, folder?: string): Promise<Upload> {
  return receiveUpload(sourceOf(cut(body, [0.2, 0.7])), contentType, { limit: 64 * 1024 * kB, folder });
}

test('every model gives way to the target’s, and every other byte stays', async () => {
  const fields: [string, string][] = [
    ['model', 'my-route'],
    ['prompt', 'model'],
    ['model', ''],
    ['model', 'last'],
  ];
  const upload = await receive(formOf(fields));
  assert.deepEqual(upload.fields, { model: 'last', stream: false });
  assert.equal(upload.bytes, formOf(fields).length);
  const expected = formOf([
    ['model', 'gpt-4o-é'],
    ['prompt', 'model'],
    ['model', 'gpt-4o-é'],
    ['model', 'gpt-4o-é'],
  ]);
  const { length, stream } = upload.body('gpt-4o-é');
  assert.equal(length, expected.length);
  assert.deepEqual(await bytesOf(stream()), expected);
  await upload.discard();
});

test('a form without a model is sent as it came', async () => {
  const body = formOf([['prompt', 'x']]);
  const upload = await receive(body);
  assert.equal(upload.fields.model, null);
  const { length, stream } = upload.body('whisper-1');
  assert.equal(length, body.length);
  assert.deepEqual(await bytesOf(stream()), body);
});

test('stream is what the last field of that name says', async () => {
  for (const [values, expected] of [
    [['true'], true],
    [['True'], true],
    [['1'], true],
    [['false'], false],
    [['true', 'false'], false],
    [[''], false],
    [[], false],
  ] as const) {
    const upload = await receive(formOf(values.map((value) => ['stream', value])));
    assert.equal(upload.fields.stream, expected, String(values));
  }
});

test('one target after the other, or several at once, get the whole body', async () => {
  const folder = temporaryFolder();
  const file = Buffer.alloc(700 * kB, 'audio');
  const upload = await receive(formOf([['model', 'r']], file), folder);
  const broken = upload.body('first').stream();
  await once(broken, 'readable');
  broken.read(1);
  broken.destroy();
  const second = upload.body('second');
  const all = await Promise.all(
    [second.stream(), second.stream(), upload.body('third').stream()].map(bytesOf),
  );
  assert.deepEqual(all[0], formOf([['model', 'second']], file));
  assert.deepEqual(all[1], all[0]);
  assert.deepEqual(all[2], formOf([['model', 'third']], file));
  await upload.discard();
  assert.deepEqual(leftIn(folder), []);
});

test('a stream that is open when the upload is discarded is still whole; then nothing is left', async () => {
  const folder = temporaryFolder();
  const file = Buffer.alloc(700 * kB, 'audio');
  const upload = await receive(
    formOf(
      [
        ['model', 'a'],
        ['model', 'b'],
      ],
      file,
    ),
    folder,
  );
  const body = upload.body('target');
  const open = body.stream();
  const unread = body.stream();
  const discarded = upload.discard();
  unread.destroy();
  assert.deepEqual(
    await bytesOf(open),
    formOf(
      [
        ['model', 'target'],
        ['model', 'target'],
      ],
      file,
    ),
  );
  await discarded;
  assert.deepEqual(leftIn(folder), []);
  assert.throws(() => body.stream(), /has been discarded/);
});

test('an upload that is no form is refused and leaves nothing', async () => {
  const folder = temporaryFolder();
  const file = Buffer.alloc(700 * kB);
  const cut = formOf([['model', 'x']], file).subarray(0, -4);
  const cases: [Buffer, string, RegExp, string | null][] = [
    [cut, contentType, /without its closing boundary/, null],
    [Buffer.from('{"model":"x"}'), contentType, /no parts/, null],
    [formOf([['model', 'x'.repeat(513)]], file), contentType, /longer than 512 bytes/, 'model'],
    [formOf([['model', 'x']]), 'multipart/form-data', /multipart\/form-data" with a boundary/, null],
  ];
  for (const [body, type, message, param] of cases) {
    await assert.rejects(receiveUpload(sourceOf([body]), type, { limit: body.length, folder }), (error) => {
      assert.ok(error instanceof UploadError);
      assert.deepEqual([error.kind, error.param], ['malformed', param]);
      assert.match(error.message, message);
      return true;
    });
    assert.deepEqual(leftIn(folder), []);
  }
});

test('the limit and the signal are the caller’s', async () => {
  const folder = temporaryFolder();
  const body = formOf([['model', 'x']], Buffer.alloc(700 * kB));
  const kind = (expected: string) => (error: unknown) =>
    error instanceof UploadError && error.kind === expected;
  await assert.rejects(
    receiveUpload(sourceOf([body]), contentType, { limit: body.length - 1, folder }),
    kind('too_large'),
  );
  const signal = AbortSignal.abort();
  await assert.rejects(
    receiveUpload(sourceOf([body]), contentType, { limit: body.length, signal, folder }),
    kind('aborted'),
  );
  assert.deepEqual(leftIn(folder), []);
});

test('a model that would break the form is not put into it', async () => {
  const upload = await receive(formOf([['model', 'x']]));
  assert.throws(() => upload.body('a\r\n--b'), /cannot carry the model "a\\r\\n--b"/);
});

/** What Node's own parser reads, with files as text. */
async function entriesOf(body: Buffer, type: string): Promise<[string, string][]> {
  const form = await new Response(body, { headers: { 'content-type': type } }).formData();
  return Promise.all(
    [...form].map(
      async ([name, value]): Promise<[string, string]> => [
        name,
        typeof value === 'string' ? value : `file ${value.name} ${await value.text()}`,
      ],
    ),
  );
}

test('an independent parser reads the same form, but for the model', async () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 12 });
  const entry = fc.tuple(fc.oneof(fc.constantFrom('model', 'stream'), text), text, fc.boolean());
  const model = text.filter((name) => !/[\r\n]/.test(name));
  await fc.assert(
    fc.asyncProperty(
      fc.array(entry, { minLength: 1, maxLength: 6 }),
      cuts,
      model,
      async (entries, positions, target) => {
        const form = new FormData();
        for (const [name, value, isFile] of entries) {
          if (isFile && name !== 'model' && name !== 'stream') form.append(name, new Blob([value]), value);
          else form.append(name, value);
        }
        const response = new Response(form);
        const type = response.headers.get('content-type') ?? '';
        const original = Buffer.from(await response.arrayBuffer());
        const upload = await receiveUpload(sourceOf(cut(original, positions)), type, {
          limit: original.length,
        });
        const { length, stream } = upload.body(target);
        const sent = await bytesOf(stream());
        assert.equal(sent.length, length);
        const before = await entriesOf(original, type);
        assert.equal(upload.fields.model, before.findLast(([name]) => name === 'model')?.[1] ?? null);
        assert.deepEqual(
          await entriesOf(sent, type),
          before.map(([name, value]) => [name, name === 'model' ? target : value]),
        );
        await upload.discard();
      },
    ),
    { numRuns: 300 },
  );
});

test('an upload travels from a real client to a real upstream with its exact length', async (context) => {
  const folder = temporaryFolder();
  const upstream = await startUpstream(context, (response) => response.end());
  const pool = new Pool(new URL(upstream.url).origin);
  const gateway = createServer(async (request: IncomingMessage, response) => {
    const type = request.headers['content-type'] ?? '';
    const upload = await receiveUpload(request, type, { limit: 4096 * kB, folder });
    const { length, stream } = upload.body('whisper-1');
    const headers = { 'content-type': type, 'content-length': String(length) };
    await pool.request({ method: 'POST', path: '/', headers, body: stream() });
    await upload.discard();
    response.end(upload.fields.model);
  });
  gateway.listen(0, '127.0.0.1');
  await once(gateway, 'listening');
  context.after(async () => {
    await pool.destroy();
    gateway.closeAllConnections();
    gateway.close();
  });
  const form = new FormData();
  const audio = Buffer.alloc(3000 * kB, 'audio\r\n--');
  form.append('file', new Blob([audio]), 'speech.mp3');
  form.append('model', 'my-route');
  const { port } = gateway.address() as AddressInfo;
  const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: form });
  assert.equal(await answer.text(), 'my-route');
  const [seen] = upstream.seen;
  assert.ok(seen);
  assert.equal(seen.headers['content-length'], String(seen.body.length));
  assert.equal(seen.headers['transfer-encoding'], undefined);
  assert.deepEqual(await entriesOf(seen.body, seen.headers['content-type'] ?? ''), [
    ['file', `file speech.mp3 ${audio}`],
    ['model', 'whisper-1'],
  ]);
  assert.deepEqual(leftIn(folder), []);
});
