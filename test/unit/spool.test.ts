import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { spool } from '../../src/upload/spool.js';
import { temporaryFolder } from '../helpers/folder.js';
import {
  bytesOf,
  cut,
  cuts,
  fileHandles,
  leftIn,
  sourceOf,
  spoolOptions,
  withWrites,
} from './upload-fixture.js';

const kB = 1024;
const MB = 1024 * kB;

test('what fits into memory makes no file', async () => {
  const spooled = await spool(sourceOf([Buffer.from('ab'), Buffer.from('cd')]), spoolOptions('/nowhere'));
  assert.equal(spooled.bytes, 4);
  assert.equal((await bytesOf(spooled.read())).toString(), 'abcd');
  assert.equal((await bytesOf(spooled.read(1, 3))).toString(), 'bc');
  await spooled.discard();
});

test('an empty body is empty', async () => {
  const spooled = await spool(sourceOf([]), spoolOptions('/nowhere'));
  assert.equal(spooled.bytes, 0);
  assert.equal((await bytesOf(spooled.read())).length, 0);
});

test('what does not fit goes to a file without a name, which discard closes', async () => {
  const folder = temporaryFolder();
  const spooled = await spool(sourceOf([Buffer.from('abc'), Buffer.from('defgh')]), spoolOptions(folder));
  const [open = '', ...others] = leftIn(folder);
  assert.deepEqual(others, []);
  if (process.platform === 'linux') assert.match(open, /llm-gateway-.* \(deleted\)$/);
  assert.equal((await bytesOf(spooled.read())).toString(), 'abcdefgh');
  await spooled.discard();
  assert.deepEqual(leftIn(folder), []);
});

test('a file that cannot lose its name while it is open is private, and loses it with discard', async (context) => {
  const folder = temporaryFolder();
  const busy = context.mock.method(files, 'unlink', () => Promise.reject(new Error('EBUSY')));
  syncBuiltinESMExports();
  const spooling = spool(sourceOf([Buffer.from('abcdef')]), spoolOptions(folder));
  const spooled = await spooling.finally(() => {
    busy.mock.restore();
    syncBuiltinESMExports();
  });
  const [name = ''] = readdirSync(folder);
  assert.match(name, /^llm-gateway-/);
  if (process.platform !== 'win32') assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
  await spooled.discard();
  assert.deepEqual(leftIn(folder), []);
});

test('any bytes in any pieces are read back, whole and in ranges, at the same time', async () => {
  const folder = temporaryFolder();
  const input = fc.tuple(
    fc.uint8Array({ maxLength: 200 }),
    cuts,
    fc.nat(120),
    fc.array(fc.tuple(fc.nat(200), fc.nat(200))),
  );
  await fc.assert(
    fc.asyncProperty(input, async ([array, positions, memory, ranges]) => {
      const bytes = Buffer.from(array);
      const seen: Buffer[] = [];
      const spooled = await spool(
        sourceOf(cut(bytes, positions)),
        spoolOptions(folder, { memory, onChunk: (chunk) => seen.push(Buffer.from(chunk)) }),
      );
      assert.deepEqual(Buffer.concat(seen), bytes);
      assert.equal(spooled.bytes, bytes.length);
      await Promise.all(
        ranges.map(async ([a, b]) => {
          const [start = 0, end = 0] = [a % (bytes.length + 1), b % (bytes.length + 1)].sort((x, y) => x - y);
          assert.deepEqual(await bytesOf(spooled.read(start, end)), bytes.subarray(start, end));
        }),
      );
      assert.deepEqual(await bytesOf(spooled.read()), bytes);
      await spooled.discard();
    }),
    { numRuns: 300 },
  );
  assert.deepEqual(leftIn(folder), []);
});

test('a range that does not exist throws', async () => {
  const spooled = await spool(sourceOf([Buffer.from('abc')]), spoolOptions('/nowhere'));
  for (const [start, end] of [
    [-1, 2],
    [2, 1],
    [0, 4],
    [Number.NaN, 2],
  ] as const)
    assert.throws(() => spooled.read(start, end), RangeError);
});

test('a signal that outlives the upload keeps nothing of it', async () => {
  const { signal } = new AbortController();
  await spool(sourceOf([Buffer.from('ab')]), spoolOptions('/nowhere', { signal }));
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('a disk that takes a part of the bytes is given the rest', async (context) => {
  const folder = temporaryFolder();
  const real = (await fileHandles()).write as (...args: unknown[]) => Promise<unknown>;
  await withWrites(context, function (this: unknown, bytes, offset, length, position) {
    return real.call(this, bytes, offset, Math.min(3, Number(length)), position);
  });
  const bytes = Buffer.from('The quick brown fox jumps over the lazy dog.');
  const spooled = await spool(sourceOf(cut(bytes, [0.3, 0.5])), spoolOptions(folder));
  assert.deepEqual(await bytesOf(spooled.read()), bytes);
  await spooled.discard();
});

test('a source waits while the disk does, and its end too', async (context) => {
  const folder = temporaryFolder();
  const real = (await fileHandles()).write as (...args: unknown[]) => Promise<unknown>;
  let letGo = () => {};
  let begun = () => {};
  const asked = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  await withWrites(context, async function (this: unknown, ...args) {
    begun();
    await held;
    return real.apply(this, args);
  });
  let chunks = 0;
  const source = sourceOf([Buffer.alloc(8, 'a'), Buffer.alloc(8, 'b'), Buffer.alloc(8, 'c')]);
  const spooling = spool(source, spoolOptions(folder, { onChunk: () => chunks++ }));
  await asked;
  await new Promise(setImmediate);
  assert.equal(chunks, 1);
  assert.equal(source.isPaused(), true);
  letGo();
  const spooled = await spooling;
  assert.equal((await bytesOf(spooled.read())).toString(), 'aaaaaaaabbbbbbbbcccccccc');
  await spooled.discard();
});

test('discard waits for open streams, may be repeated, and ends the reading', async () => {
  const folder = temporaryFolder();
  const bytes = Buffer.alloc(300 * kB, 'x');
  const spooled = await spool(sourceOf([bytes]), spoolOptions(folder));
  const [slow, left, unread] = [spooled.read(), spooled.read(), spooled.read()];
  left.read();
  const discarded = spooled.discard();
  let isDiscarded = false;
  discarded.then(() => {
    isDiscarded = true;
  });
  assert.throws(() => spooled.read(), /has been discarded/);
  left.destroy();
  unread.destroy();
  assert.deepEqual(await bytesOf(slow), bytes);
  assert.equal(isDiscarded, false);
  await Promise.all([discarded, spooled.discard()]);
  assert.deepEqual(leftIn(folder), []);
});

test('30 MB take less than 1 MB of memory', async () => {
  const folder = temporaryFolder();
  const chunk = Buffer.alloc(64 * kB, 'audio');
  function* chunks() {
    for (let sent = 0; sent < 30 * MB; sent += chunk.length) yield chunk;
  }
  const used = () => {
    const { external, arrayBuffers } = process.memoryUsage();
    return Math.max(external, arrayBuffers);
  };
  const before = used();
  let peak = before;
  const onChunk = () => {
    peak = Math.max(peak, used());
  };
  // The source gives the same chunk again and again, so whatever is added is the spool's own, garbage included.
  const spooled = await spool(sourceOf(chunks()), spoolOptions(folder, { memory: 256 * kB, onChunk }));
  assert.equal(spooled.bytes, 30 * MB);
  assert.ok(peak - before < MB, `${peak - before} bytes`);
  await spooled.discard();
});

test('a body of single bytes takes no more memory than one in large pieces', async () => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const large = Buffer.alloc(64 * kB);
  function* chunks() {
    for (let sent = 0; sent < 256 * kB; sent++) yield large.subarray(0, 1);
  }
  collect();
  const before = process.memoryUsage().heapUsed;
  const spooled = await spool(sourceOf(chunks()), spoolOptions('/nowhere', { memory: 256 * kB }));
  collect();
  // 262 144 buffers of one byte would be 25 MB.
  assert.ok(process.memoryUsage().heapUsed - before < 4 * MB);
  assert.equal(spooled.bytes, 256 * kB);
});
