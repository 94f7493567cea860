import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import { describeConfig, parseConfig } from '../../src/config.js';
import gateway, { type GatewayOptions } from '../../src/index.js';
import { chat, post, readRows, temporaryFolder } from '../helpers/gateway.js';
import { chunk, json, roleChunk, type Script, sse, startUpstream } from '../helpers/upstream.js';
import { assertClean, canary, whole } from './canary.js';

const own = canary.providerKey;

/** Ways in which a provider repeats the key that it was given. */
const repeating: readonly (readonly [what: string, script: Script])[] = [
  ['in a 401', json({ error: { message: `Incorrect API key: ${own}`, code: own } }, 401)],
  ['in a 403', json({ error: { message: `No access for ${own}` } }, 403)],
  ['in a 400', json({ error: { message: `Bad: ${own}`, param: own, code: own } }, 400)],
  [
    'in a 429, and its headers',
    json({ error: { message: own } }, 429, { 'x-ratelimit-remaining-tokens': own }),
  ],
  ['in a 500 that is no JSON', text(500, `<html>Authorization: Bearer ${own}</html>`)],
  ['in a 500 that escapes slashes', text(500, `{"error":{"message":"${own.replaceAll('/', '\\/')}"}}`)],
  ['in an error inside a 200', json({ error: { message: own, code: 500 } })],
  [
    'in an answer',
    json({
      id: own,
      model: own,
      choices: [{ finish_reason: own }],
      headers: { authorization: `Bearer ${own}` },
    }),
  ],
  [
    'in the headers of an answer',
    json(undefined, 200, { 'x-debug': `Bearer ${own}`, 'x-ratelimit-limit-requests': own }),
  ],
  ['in a content-type', (response) => response.writeHead(200, { 'content-type': `text/${own}` }).end('x')],
  ['in a content-encoding', (response) => response.writeHead(200, { 'content-encoding': own }).end('x')],
  ['in JSON that breaks off', text(200, `{"error": "${own}`)],
  ['in an error event before content', sse([`data: {"error":{"message":"${own}","code":"${own}"}}\n\n`])],
  [
    'in an error event after content',
    sse([roleChunk, chunk({ content: 'a' }), `data: {"error":{"message":"${own}","code":"${own}"}}\n\n`]),
  ],
  [
    'in a header of a stream',
    (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'x-debug': own });
      response.end(`${roleChunk}${chunk({ content: 'a' })}data: [DONE]\n\n`);
    },
  ],
];

function text(status: number, body: string): Script {
  return (response) => response.writeHead(status, { 'content-type': 'application/json' }).end(body);
}

/** A provider with the key that is repeated. */
function compatible(baseUrl: string) {
  return { type: 'openai-compatible', baseUrl, apiKey: own } as const;
}

/** The script that a URL of the first upstream asks for. */
function scriptOf(url: string): number {
  return Number(/^\/v1\/(\d+)\//.exec(url)?.[1]);
}

/** A gateway that logs everything there is to log, and two providers. */
async function start(t: TestContext) {
  const lines: string[] = [];
  const stream = new Writable({
    write(piece, _encoding, done) {
      lines.push(String(piece));
      done();
    },
  });
  const first = await startUpstream(t, json());
  const second = await startUpstream(t, json({ data: [{ id: 'found' }], choices: [] }));
  const folder = temporaryFolder();
  process.env.CANARY_KEY = canary.environmentKey;
  t.after(() => delete process.env.CANARY_KEY);
  // A provider for each script, because what one says keeps others from being asked.
  const repeaters = ['whole', 'stream'].flatMap((how) =>
    repeating.map((_, index) => [`${how}${index}`, compatible(`${first.url}/${index}`)]),
  );
  const options: GatewayOptions = {
    database: { path: join(folder, 'gateway.db') },
    keys: [
      {
        name: 'web',
        key: canary.gatewayKey,
        scopes: ['proxy', 'read'],
        limits: { requestsPerMinute: 1000 },
      },
      { name: 'other', key: canary.otherKey, limits: { requestsPerMinute: 1 } },
    ],
    providers: {
      ...Object.fromEntries(repeaters),
      first: compatible(first.url),
      second: { ...compatible(second.url), apiKey: `\${CANARY_KEY}`, discover: '1s' },
    },
    passthroughProvider: 'first',
    retries: 0,
  };
  const app = Fastify({
    logger: { level: 'trace', stream },
    disableRequestLogging: true,
    forceCloseConnections: 'idle',
  });
  t.after(() => app.close());
  await app.register(gateway, { ...options, ownsServer: true });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return { app, url: `http://127.0.0.1:${port}`, first, second, folder, lines, options };
}

test('no secret is in an answer, a log line, a record, a statistic, the database, or sent to the wrong server', async (t) => {
  const { app, url, first, second, folder, lines, options } = await start(t);
  const web = { authorization: `Bearer ${canary.gatewayKey}` };
  const carried = {
    ...web,
    cookie: `session=${canary.cookie}`,
    'proxy-authorization': `Basic ${canary.proxy}`,
    'x-goog-api-key': canary.foreign,
    'api-key': canary.foreign,
  };
  const completions = `${url}/v1/chat/completions`;
  const body = { ...chat, model: 'first/test-model' };

  first.script((response, seen, request) => repeating[scriptOf(seen.url)]?.[1](response, seen, request));
  for (const [index, [what]] of repeating.entries()) {
    for (const stream of [false, true]) {
      const model = `${stream ? 'stream' : 'whole'}${index}/test-model`;
      const asked = await post(`${completions}?api_key=${canary.query}`, { ...body, model, stream }, carried);
      assertClean(`the answer to a provider that repeats its key ${what}`, await whole(asked));
    }
    const passed = await fetch(`${url}/v1/files?key=${canary.query}`, {
      headers: { ...carried, 'x-gateway-provider': `whole${index}` },
    });
    const told = await whole(passed);
    // What the gateway does not know passes as it is.
    if (passed.status >= 400) assertClean(`what passes of a key ${what}`, told);
  }
  assert.equal(first.seen.length, repeating.length * 3);
  first.script((_response, _seen, request) => request.socket.resetAndDestroy());
  assertClean('the answer to a reset', await whole(await post(completions, body, carried)));
  first.script(json());

  const wrong = { authorization: `Bearer ${canary.wrongKey}`, 'x-session-id': 'a' };
  for (const headers of [
    wrong,
    { 'x-api-key': canary.wrongKey },
    { authorization: canary.wrongKey },
    { authorization: `Basic ${canary.wrongKey}` },
  ]) {
    assertClean('a 401', await whole(await post(completions, body, headers)));
    assertClean('a 401 of the stats', await whole(await fetch(`${url}/stats`, { headers })));
  }
  const limited = { authorization: `Bearer ${canary.otherKey}` };
  await (await post(completions, body, limited)).arrayBuffer();
  assertClean('a 429', await whole(await post(completions, body, limited)));
  assertClean('a 403', await whole(await fetch(`${url}/stats`, { headers: limited })));
  const broken = ['{"model":', '', '[]', '{"model":1}', JSON.stringify({ ...body, model: 'no/such' })];
  for (const each of broken) assertClean('a 400', await whole(await post(completions, each, carried)));
  assertClean('a 404', await whole(await fetch(`${url}/nowhere?key=${canary.query}`, { headers: carried })));
  await (await post(completions, { ...chat, model: 'second/found' }, carried)).arrayBuffer();

  await (await post(completions, body, { ...web, 'x-request-id': 'last' })).arrayBuffer();
  const isWritten = () =>
    readRows(join(folder, 'gateway.db'), "SELECT id FROM exchanges WHERE correlation_id = 'last'").length > 0;
  while (!isWritten()) await new Promise((resolve) => setTimeout(resolve, 10));
  const reads = [
    '/stats',
    '/stats/providers',
    '/stats/models',
    '/stats/routes',
    '/stats/keys',
    '/stats/availability',
    '/exchanges?limit=500',
    '/health',
    '/ready',
    '/v1/models',
    '/v1/models/first',
  ];
  for (const path of reads) assertClean(path, await whole(await fetch(`${url}${path}`, { headers: web })));
  const list: { data: { id: string }[] } = JSON.parse(
    await (await fetch(`${url}/exchanges?limit=500`, { headers: web })).text(),
  );
  assert.ok(list.data.length > repeating.length * 3);
  for (const { id } of list.data) {
    assertClean(`exchange ${id}`, await whole(await fetch(`${url}/exchanges/${id}`, { headers: web })));
  }
  assertClean('/explain', await whole(await post(`${url}/explain?key=web`, body, carried)));
  assertClean('the routes of the app', app.printRoutes());

  const sentTo = (seen: typeof first.seen) =>
    JSON.stringify(seen.map(({ url: at, headers, body: sent }) => [at, headers, sent.toString()]));
  const { providerKey, environmentKey, query, ...neverSent } = canary;
  assertClean('what the first provider got', sentTo(first.seen), [
    ...Object.values(neverSent),
    environmentKey,
  ]);
  assertClean('what the second provider got', sentTo(second.seen), [
    ...Object.values(neverSent),
    providerKey,
  ]);
  assert.ok(sentTo(first.seen).includes(providerKey) && sentTo(second.seen).includes(environmentKey));
  assert.ok(sentTo(first.seen).includes(query), 'the query is between the client and the provider');

  assertClean('the description of the configuration', JSON.stringify(describeConfig(parseConfig(options))));
  assertClean('the title of the process', process.title);
  await app.close();
  assert.ok(lines.length > 0);
  assertClean('the log', lines.join(''));
  for (const file of readdirSync(folder)) {
    assertClean(`the file ${file}`, readFileSync(join(folder, file), 'latin1'));
  }
});
