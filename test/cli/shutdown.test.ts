import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { post, readRows } from '../helpers/gateway.js';
import { hello, type ServedCli, serveCli } from './helpers.js';

const text = Array.from({ length: 30 }, (_, index) => `word${index}`).join(' ');

function echo(wordDelay: string, drainTimeout = '30s'): string {
  return `drainTimeout: ${drainTimeout}\nproviders: { echo: { type: echo, wordDelay: ${wordDelay} } }\n`;
}

/** A stream whose first word has arrived, with all of its text to come. */
async function startStream(served: ServedCli): Promise<{ whole: Promise<string> }> {
  const { body, status } = await post(`${served.url}/v1/chat/completions`, {
    model: 'echo/echo',
    stream: true,
    messages: [{ role: 'user', content: text }],
  });
  assert.equal(status, 200);
  assert.ok(body);
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let seen = '';
  while (!seen.includes('word0')) seen += (await reader.read()).value ?? '';
  const readOn = async (): Promise<string> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return seen;
      seen += value;
    }
  };
  const whole = readOn();
  whole.catch(() => {});
  return { whole };
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} lets live streams finish, writes them down, and exits with 0`, async (context) => {
    const served = await serveCli(context, { config: echo('20ms') });
    const streams = await Promise.all([startStream(served), startStream(served), startStream(served)]);
    served.child.kill(signal);
    for (const { whole } of streams) assert.match(await whole, /word29.*data: \[DONE\]\n\n$/s);
    assert.equal(await served.ended, 0);
    const rows = readRows(served.database, 'SELECT outcome, end_reason FROM exchanges');
    assert.deepEqual(rows, Array(3).fill({ outcome: 'ok', end_reason: 'complete' }));
  });
}

test('a connection that was opened and never used does not hold the process', {
  timeout: 20_000,
}, async (context) => {
  const served = await serveCli(context);
  const { hostname, port } = new URL(served.url);
  const socket = connect(Number(port), hostname);
  context.after(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  // Its place in the accept queue is before this request's.
  await fetch(`${served.url}/health`);
  served.child.kill('SIGTERM');
  assert.equal(await served.ended, 0);
});

test('npm sends the signal of a Ctrl-C once more: that does not cut the streams', async (context) => {
  const served = await serveCli(context, { config: echo('20ms') });
  const { whole } = await startStream(served);
  served.child.kill('SIGINT');
  await served.printed(/shutting down/);
  served.child.kill('SIGINT');
  assert.match(await whole, /data: \[DONE\]\n\n$/);
  assert.equal(await served.ended, 0);
});

test('who keeps signalling ends the process at once', async (context) => {
  const served = await serveCli(context, { config: echo('1s') });
  await startStream(served);
  const again = setInterval(() => served.child.kill('SIGTERM'), 100);
  context.after(() => clearInterval(again));
  // The stream would go on for half a minute, and then the code would be 0.
  assert.equal(await served.ended, 128 + 15);
});

test('a stream that outlasts the drain is cut, told so, and written down', async (context) => {
  const served = await serveCli(context, { config: echo('1s', '50ms') });
  const { whole } = await startStream(served);
  served.child.kill('SIGTERM');
  assert.doesNotMatch(await whole, /\[DONE\]/);
  assert.equal(await served.ended, 0);
  const rows = readRows(served.database, 'SELECT outcome, end_reason FROM exchanges');
  assert.deepEqual(rows, [{ outcome: 'truncated', end_reason: 'shutdown' }]);
});

test('an unexpected error is logged, and what is recorded is kept', async (context) => {
  const crash = 'process.once("SIGUSR1", () => { throw new Error("a defect"); });\n';
  const setup = { files: { 'crash.mjs': crash }, env: { NODE_OPTIONS: '--import ./crash.mjs' } };
  const served = await serveCli(context, setup);
  assert.equal((await post(`${served.url}/v1/chat/completions`, hello)).status, 200);
  served.child.kill('SIGUSR1');
  assert.equal(await served.ended, 1);
  assert.match(served.stdout(), /"level":60.*a defect/);
  assert.equal(readRows(served.database, 'SELECT outcome FROM exchanges').length, 1);
});
