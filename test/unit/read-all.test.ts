import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { readAll } from '../../src/upstream/read-all.js';

const kB = 1024;

test('all bytes come together, and every read is told', async () => {
  let reads = 0;
  const body = Readable.from([Buffer.from('ab'), Buffer.from('c'), Buffer.from('def')]);
  const bytes = await readAll(body, kB, () => reads++);
  assert.equal(bytes.toString(), 'abcdef');
  assert.equal(reads, 3);
});

test('a body in one piece is that piece, not a copy', async () => {
  const piece = Buffer.from('whole');
  assert.equal(await readAll(Readable.from([piece]), kB), piece);
});

test('an empty body is empty', async () => {
  assert.equal((await readAll(Readable.from([]), kB)).length, 0);
});

test('exactly the limit is allowed, one byte more is not', async () => {
  const pieces = () => Readable.from([Buffer.alloc(600), Buffer.alloc(424)]);
  assert.equal((await readAll(pieces(), 1024)).length, 1024);
  const body = pieces();
  await assert.rejects(readAll(body, 1023), /larger than 1023 bytes/);
  assert.ok(body.destroyed);
});

test('a body that breaks off rejects with its error', async () => {
  const body = new Readable({ read() {} });
  const all = readAll(body, kB);
  body.push('half');
  body.destroy(new Error('read ECONNRESET'));
  await assert.rejects(all, /ECONNRESET/);
});

test('a body that closes before its end rejects', async () => {
  const body = new Readable({ read() {} });
  const all = readAll(body, kB);
  body.push('half');
  body.destroy();
  await assert.rejects(all, /closed the connection/);
});
