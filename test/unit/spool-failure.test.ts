import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { test } from 'node:test';
import { UploadError, type UploadFailure } from '../../src/upload/error.js';
import { spool } from '../../src/upload/spool.js';
import { temporaryFolder } from '../helpers/folder.js';
import { bytesOf, fileHandles, leftIn, sourceOf, spoolOptions, withWrites } from './upload-fixture.js';

const kB = 1024;
const MB = 1024 * kB;

function failsAs(kind: UploadFailure, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof UploadError, String(error));
    assert.equal(error.kind, kind);
    assert.match(error.message, message);
    return true;
  };
}

/** A source that gives what the test gives it, and stays open. */
function openSource(): Readable {
  return new Readable({ read() {} });
}

test('exactly the limit is allowed, and one byte more is too large', async () => {
  const folder = temporaryFolder();
  const spooled = await spool(
    sourceOf([Buffer.alloc(6), Buffer.alloc(4)]),
    spoolOptions(folder, { limit: 10 }),
  );
  await spooled.discard();
  const source = openSource();
  const spooling = spool(source, spoolOptions(folder, { limit: 10 }));
  source.push(Buffer.alloc(6));
  source.push(Buffer.alloc(5));
  await assert.rejects(spooling, failsAs('too_large', /larger than 10 bytes/));
  assert.deepEqual(leftIn(folder), []);
  assert.equal(source.destroyed, false);
  assert.equal(source.isPaused(), true);
});

test('a source that breaks off, or had ended before, is incomplete', async () => {
  const folder = temporaryFolder();
  for (const error of [new Error('read ECONNRESET'), undefined]) {
    const source = openSource();
    const spooling = spool(source, spoolOptions(folder));
    source.push('abcdefgh');
    source.destroy(error);
    await assert.rejects(
      spooling,
      failsAs('incomplete', error ? /broke off: read ECONNRESET/ : /before its end/),
    );
    await assert.rejects(spool(source, spoolOptions(folder)), failsAs('incomplete', /before its end/));
  }
  const read = sourceOf([Buffer.from('x')]);
  await bytesOf(read);
  await assert.rejects(spool(read, spoolOptions(folder)), failsAs('incomplete', /before its end/));
  assert.deepEqual(leftIn(folder), []);
});

test('an end is no end when the request was aborted', async () => {
  const source = Object.assign(openSource(), { aborted: false });
  const spooling = spool(source, spoolOptions('/nowhere'));
  source.aborted = true;
  source.push(null);
  await assert.rejects(spooling, failsAs('incomplete', /before its end/));
});

test('a signal ends the reading at any point and leaves nothing', async () => {
  const folder = temporaryFolder();
  for (const size of [0, 3, 300]) {
    const controller = new AbortController();
    const source = openSource();
    const spooling = spool(source, spoolOptions(folder, { signal: controller.signal }));
    if (size > 0) source.push(Buffer.alloc(size));
    const reason = new Error('shutdown');
    // Before the first chunk, with a chunk in memory, or while a file is being opened for it.
    if (size > 0) await once(source, 'data');
    controller.abort(reason);
    await assert.rejects(
      spooling,
      (error) => failsAs('aborted', /aborted/)(error) && (error as Error).cause === reason,
    );
    assert.deepEqual(leftIn(folder), []);
    assert.equal(
      source.listenerCount('data') + source.listenerCount('close') + source.listenerCount('end'),
      0,
    );
    await assert.rejects(
      spool(source, spoolOptions(folder, { signal: controller.signal })),
      failsAs('aborted', /aborted/),
    );
  }
});

test('what onChunk throws ends the reading, and the source may still fail without harm', async () => {
  const folder = temporaryFolder();
  const source = openSource();
  const wrong = new Error('not a form');
  let chunks = 0;
  const onChunk = () => {
    if (++chunks === 2) throw wrong;
  };
  const spooling = spool(source, spoolOptions(folder, { onChunk }));
  source.push('abcdef');
  source.push('g');
  await assert.rejects(spooling, (error) => error === wrong);
  assert.deepEqual(leftIn(folder), []);
  assert.equal(source.isPaused(), true);
  const closed = new Promise((resolve) => source.once('close', resolve));
  source.destroy(new Error('the socket broke'));
  await closed;
});

test('a temporary folder that cannot be written to is a storage error that names it', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'file');
  writeFileSync(file, '');
  for (const [path, code] of [
    [join(folder, 'missing'), 'ENOENT'],
    [file, 'ENOTDIR'],
  ] as const) {
    const source = sourceOf([Buffer.from('abcdefgh')]);
    await assert.rejects(spool(source, spoolOptions(path)), (error) => {
      failsAs('storage', new RegExp(`folder "${path}": ${code}: [a-z ]+\\. Make room`))(error);
      assert.equal(((error as Error).cause as NodeJS.ErrnoException).code, code);
      return true;
    });
  }
});

test('a disk that is full is a storage error, in the middle and at the end', async (context) => {
  const folder = temporaryFolder();
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  for (const allowed of [0, 1, 2]) {
    let calls = 0;
    await withWrites(context, async (_bytes, _offset, length) => {
      if (calls++ < allowed) return { bytesWritten: length };
      throw full;
    });
    const source = sourceOf([Buffer.alloc(4), Buffer.alloc(4), Buffer.alloc(4)]);
    await assert.rejects(
      spool(source, spoolOptions(folder)),
      failsAs('storage', /ENOSPC: no space left on device\. Make/),
    );
    assert.equal(calls, allowed + 1);
    assert.deepEqual(leftIn(folder), []);
    context.mock.restoreAll();
  }
});

test('an abort during a slow write waits for it and closes the file', async (context) => {
  const folder = temporaryFolder();
  const controller = new AbortController();
  const real = (await fileHandles()).write as (...args: unknown[]) => Promise<unknown>;
  await withWrites(context, async function (this: unknown, ...args) {
    controller.abort();
    await new Promise(setImmediate);
    return real.apply(this, args);
  });
  const source = sourceOf([Buffer.alloc(8), Buffer.alloc(8)]);
  await assert.rejects(
    spool(source, spoolOptions(folder, { signal: controller.signal })),
    failsAs('aborted', /aborted/),
  );
  assert.deepEqual(leftIn(folder), []);
});

test('a file that can no longer be read is a storage error of the stream', async (context) => {
  const folder = temporaryFolder();
  const spooled = await spool(sourceOf([Buffer.alloc(8)]), spoolOptions(folder));
  const broken = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
  for (const result of [
    () => Promise.reject(broken),
    async () => ({ bytesRead: 0, buffer: Buffer.alloc(8) }),
  ]) {
    context.mock.method(await fileHandles(), 'read', result as never);
    await assert.rejects(bytesOf(spooled.read()), failsAs('storage', /EIO: i\/o error\.|has become shorter/));
    context.mock.restoreAll();
  }
  await spooled.discard();
  assert.deepEqual(leftIn(folder), []);
});

test('a client that leaves is incomplete, one that sends too much can still be answered', async (context) => {
  const folder = temporaryFolder();
  const outcomes: Promise<unknown>[] = [];
  let received = () => {};
  const server = createServer((incoming, response) => {
    const spooling = spool(incoming, spoolOptions(folder, { limit: 20 * kB, onChunk: () => received() }));
    outcomes.push(spooling.catch((error) => error));
    spooling.catch((error) => response.writeHead(413, { connection: 'close' }).end(error.kind));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const post = () =>
    request({ port, host: '127.0.0.1', method: 'POST', headers: { 'content-length': 10 * MB } });

  const leaving = post();
  leaving.on('error', () => {});
  const first = new Promise<void>((resolve) => {
    received = resolve;
  });
  leaving.write(Buffer.alloc(10 * kB));
  await first;
  leaving.destroy();
  failsAs('incomplete', /broke off/)(await outcomes[0]);

  const large = post();
  large.on('error', () => {});
  large.write(Buffer.alloc(30 * kB));
  const [answer] = await once(large, 'response');
  assert.equal(answer.statusCode, 413);
  assert.equal((await bytesOf(answer)).toString(), 'too_large');
  large.destroy();
  await finished(large).catch(() => {});
  assert.deepEqual(leftIn(folder), []);
});
