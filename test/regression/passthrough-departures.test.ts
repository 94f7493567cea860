import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { startGateway } from '../helpers/gateway.js';
import { type Script, startUpstream, withResolvers } from '../helpers/upstream.js';
import { held } from '../wire/routing-setup.js';

/** A client that leaves after the first bytes of what is passed through, under `disconnect: drain`. */
async function left(t: TestContext, method: string, path: string, begin: Script) {
  const { script, next } = held();
  const upstream = await startUpstream(t, script);
  const departed = withResolvers();
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
    passthroughProvider: 'main',
    disconnect: 'drain',
    host: (app) =>
      app.addHook('onRequest', async (_request, { raw }) => {
        raw.once('close', departed.resolve);
      }),
  });
  const outgoing = request(`${gateway.url}${path}`, { method }).end();
  const answer = await next();
  begin(answer, {} as never, {} as never);
  const [response] = await once(outgoing, 'response');
  await once(response, 'data');
  outgoing.on('error', () => {}).destroy();
  await departed.promise;
  return { answer, gateway };
}

const download: Script = (response) => {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': '1000000' });
  response.write('x'.repeat(1000));
};

const events: Script = (response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('data: {"object":"thread.message.delta","delta":{"content":[]}}\n\n');
};

for (const [path, begin] of [
  ['/v1/files/file-1/content', download],
  ['/v1/responses/resp_1?stream=true', events],
] as const) {
  test(`under drain nobody reads on what only a client wanted to have: GET ${path}`, async (t) => {
    const { answer, gateway } = await left(t, 'GET', path, begin);
    if (!answer.closed) await once(answer, 'close', { signal: AbortSignal.timeout(5_000) });
    const [row] = await gateway.exchanges(1);
    assert.deepEqual([row?.outcome, row?.end_reason], ['aborted', 'client_gone']);
  });
}

test('under drain the answer to a POST that is passed through is read on for its usage', async (t) => {
  const { answer, gateway } = await left(t, 'POST', '/v1/threads/t/runs', events);
  const run = {
    object: 'thread.run',
    status: 'completed',
    usage: { prompt_tokens: 3, completion_tokens: 2 },
  };
  answer.end(`event: thread.run.completed\ndata: ${JSON.stringify(run)}\n\nevent: done\ndata: [DONE]\n\n`);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.usage_source, row?.output_text_tokens], ['aborted', 'reported', 2]);
});
