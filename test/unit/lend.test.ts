import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { lend } from '../../src/upload/lend.js';

test('all bytes come through, and the end is the end', async () => {
  const source = Readable.from([Buffer.alloc(100_000, 'a'), Buffer.from('b')]);
  let bytes = 0;
  for await (const chunk of lend(source)) bytes += chunk.length;
  assert.equal(bytes, 100_001);
});

test('a reader that gives up leaves its source open, which is read to its end', async () => {
  const source = new PassThrough();
  const lent = lend(source);
  source.write(Buffer.alloc(500_000));
  lent.destroy();
  await once(lent, 'close');
  assert.equal(source.destroyed, false);
  source.end(Buffer.alloc(500_000));
  await once(source, 'end');
});

test('a slow reader stops the source', async () => {
  const source = new PassThrough();
  const lent = lend(source);
  lent.once('readable', () => {});
  source.write(Buffer.alloc(500_000));
  await once(lent, 'readable');
  assert.equal(source.isPaused(), true);
  lent.destroy();
});

test('a request that says it was aborted is broken off, although it ends', async () => {
  const source = Object.assign(new PassThrough(), { aborted: true });
  const lent = lend(source);
  source.end('half');
  await assert.rejects(async () => {
    for await (const chunk of lent) void chunk;
  }, /broke off/);
});

test('a source that closes without an end, or was closed before, is broken off', async () => {
  const source = new PassThrough();
  const lent = lend(source);
  source.destroy();
  await assert.rejects(once(lent.resume(), 'end'), /broke off/);
  await assert.rejects(once(lend(source).resume(), 'end'), /broke off/);
});

test('an error that comes when all is over ends nothing', async () => {
  const source = new PassThrough();
  const lent = lend(source).resume();
  source.end('x');
  await once(lent, 'close');
  source.emit('error', new Error('late'));
});
