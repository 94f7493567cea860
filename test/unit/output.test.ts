import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createOutput } from '../../src/stream/output.js';

const A = Buffer.from('a');
const MB = Buffer.alloc(1024 * 1024, 'x');

/** An output, what it has told, and what a client has of the response that it is to be piped into. */
async function setUp(t: TestContext) {
  const told: string[] = [];
  const output = createOutput({
    onReady: () => void told.push('ready'),
    onDestroy: () => void told.push('destroyed'),
  });
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const asked = get({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, agent: false });
  asked.on('error', () => {});
  const [, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
  // From the client's side of a connection that is destroyed.
  response.on('error', () => {});
  return { output, told, response, asked };
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of answer) text += piece;
  return text;
}

test('what was written before and after goes into the response, and then its end', async (t) => {
  const { output, response, asked } = await setUp(t);
  output.write(A);
  output.write(Buffer.from('b'));
  output.stream.pipe(response);
  output.write(Buffer.from('c'));
  assert.equal(output.stream.readableLength, 0, 'nothing waits in the stream');
  output.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  assert.equal(await textOf(answer), 'abc');
});

test('an answer that was over before it is piped is ended at once', async (t) => {
  const { output, response, asked, told } = await setUp(t);
  output.write(A);
  output.end();
  output.stream.pipe(response);
  assert.ok(response.writableEnded);
  await finished(output.stream);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  assert.equal(await textOf(answer), 'a');
  assert.equal(told.at(-1), 'destroyed');
});

test('the stream ends before the response closes', async (t) => {
  const { output, response, asked } = await setUp(t);
  const order: string[] = [];
  output.stream.on('end', () => order.push('end'));
  response.on('close', () => order.push('close'));
  output.stream.pipe(response);
  output.write(A);
  output.end();
  asked.on('response', (answer: IncomingMessage) => answer.resume());
  await once(response, 'close');
  assert.deepEqual(order, ['end', 'close']);
});

test('a client that does not read is waited for, and then it goes on', async (t) => {
  const { output, response, asked, told } = await setUp(t);
  output.stream.pipe(response);
  const [answer] = await Promise.all([once(asked, 'response'), output.write(A)]);
  let written = 1;
  let takesMore = true;
  // What the kernel takes at once does not wait.
  while (output.isTaken()) {
    takesMore = output.write(MB);
    written += MB.length;
    await turn();
  }
  assert.equal(takesMore, false);
  told.length = 0;
  await turn();
  assert.deepEqual(told, []);
  const read = textOf(answer[0] as IncomingMessage);
  await once(response, 'drain');
  assert.deepEqual(told, ['ready']);
  assert.equal(output.isTaken(), true);
  output.end();
  assert.equal((await read).length, written);
});

test('nothing is written to a response that was ended or destroyed by somebody else', async (t) => {
  for (const act of ['end', 'destroy'] as const) {
    const { output, response } = await setUp(t);
    output.stream.pipe(response);
    output.write(A);
    response.on('error', assert.fail);
    response[act]();
    assert.equal(output.write(A), true);
    output.end();
    await once(response, 'close');
  }
});

test('any other consumer gets an ordinary stream', async (t) => {
  const { output, response, asked } = await setUp(t);
  const between = new PassThrough();
  output.stream.pipe(between).pipe(response);
  output.write(A);
  output.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  assert.equal(await textOf(answer), 'a');
});

test('a host that reads along, or ends the response itself, gets an ordinary pipe', async (t) => {
  const first = await setUp(t);
  let seen = '';
  first.output.stream.on('data', (bytes: Buffer) => {
    seen += bytes;
  });
  first.output.stream.pipe(first.response);
  first.output.write(A);
  first.output.end();
  const [answer] = (await once(first.asked, 'response')) as [IncomingMessage];
  assert.deepEqual([await textOf(answer), seen], ['a', 'a']);

  const second = await setUp(t);
  second.output.stream.pipe(second.response, { end: false });
  second.output.write(A);
  second.output.end();
  await once(second.output.stream, 'end');
  assert.equal(second.response.writableEnded, false);
  second.response.end('b');
  const [other] = (await once(second.asked, 'response')) as [IncomingMessage];
  assert.equal(await textOf(other), 'ab');
});

test('of an answer that broke off before it is piped nothing is written', async (t) => {
  const { output, response } = await setUp(t);
  output.stream.on('error', () => {});
  output.write(A);
  output.stream.destroy(new Error('broken'));
  output.stream.pipe(response);
  await turn();
  assert.equal(response.headersSent, false);
});
