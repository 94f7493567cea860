import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { rawPost, startGateway } from '../helpers/gateway.js';
import { json, sse, startUpstream } from '../helpers/upstream.js';

async function setUp(context: TestContext) {
  const upstream = await startUpstream(context, json());
  const gateway = await startGateway(context, {
    providers: {
      main: { type: 'openai-compatible', baseUrl: upstream.url, models: { 'org/model:1.0': {} } },
    },
    routes: { r: { targets: ['main/org/model:1.0'] } },
  });
  const url = `${gateway.url}/v1/chat/completions`;
  /** What the upstream receives for a body. */
  async function sent(body: string | Buffer): Promise<Buffer> {
    const { response } = rawPost(url, body);
    const answer = await response;
    answer.resume();
    assert.equal(answer.statusCode, 200);
    const seen = upstream.seen.at(-1);
    assert.ok(seen !== undefined);
    assert.equal(seen.headers['content-length'], String(seen.body.length));
    return seen.body;
  }
  return { upstream, url, sent };
}

const messages = '"messages":[{"role":"user","content":"Hi"}]';
const cases: [what: string, body: string, expected?: string][] = [
  ['an integer beyond 2^53', `{"model":"MODEL","seed": 9007199254740993,${messages}}`],
  ['1.0, 1e2 and -0', `{"model":"MODEL","temperature":1.0,"top_p":1e2,"x":-0,${messages}}`],
  ['content: null', '{"model":"MODEL","messages":[{"role":"assistant","content":null,"tool_calls":[]}]}'],
  [
    'unknown fields and roles',
    `{"model":"MODEL","messages":[{"role":"developer","x":[]}],"new_thing":{"a":[{}]}}`,
  ],
  ['odd spacing', `\r\n {\t"model" :\n  "MODEL" ,\r\n ${messages} \t} \n`],
  [
    'escapes',
    '{"model":"MODEL","messages":[{"role":"user","content":"\\u0041\\/\\ud83d\\ude00\\n\\"\\\\"}]}',
  ],
  ['text as it is', '{"model":"MODEL","messages":[{"role":"user","content":"😀 你好 \u2028 \u007f é"}]}'],
  ['duplicate keys', `{"n":1,"model":"MODEL","n":2,"messages":[],${messages}}`],
  ['a duplicate model', `{"model":"MODEL","x":1,"model":"MODEL",${messages}}`],
  ['model nested elsewhere', `{"metadata":{"model":"r"},"model":"MODEL","messages":[{"model":"r"}]}`],
  ['a model behind everything else', `{${messages},"stop":["a"],"logit_bias":{},"model":"MODEL"}`],
  [
    '__proto__ and constructor',
    `{"__proto__":{"a":1},"constructor":{"prototype":{}},"model":"MODEL",${messages}}`,
  ],
];

for (const [what, template] of cases) {
  test(`${what}: the upstream reads the client's bytes with another model`, async (t) => {
    const { sent } = await setUp(t);
    const body = await sent(template.replaceAll('MODEL', 'r'));
    assert.equal(body.toString('utf8'), template.replaceAll('MODEL', 'org/model:1.0'));
  });

  test(`${what}: the upstream reads the client's very bytes when the model is its own`, async (t) => {
    const { sent } = await setUp(t);
    const text = template.replaceAll('MODEL', 'org/model:1.0');
    assert.equal((await sent(text)).toString('utf8'), text);
  });
}

test('a message of 1 MB arrives to the last byte', async (t) => {
  const { sent } = await setUp(t);
  const content = 'a"\\é😀'.repeat(100_000);
  const text = (model: string) =>
    `{"model":"${model}","messages":[{"role":"user","content":${JSON.stringify(content)}}]}`;
  assert.ok(Buffer.byteLength(text('r')) > 1_000_000);
  const body = await sent(text('r'));
  assert.ok(body.equals(Buffer.from(text('org/model:1.0'))));
});

test('a body that the client sends in chunks goes up as one, with its length', async (t) => {
  const { upstream, url } = await setUp(t);
  const outgoing = request(url, { method: 'POST', headers: { 'content-type': 'application/json' } });
  const text = `{"model":"org/model:1.0","user":"é😀",${messages}}`;
  for (const byte of Buffer.from(text)) outgoing.write(Buffer.from([byte]));
  outgoing.end();
  const [answer] = await once(outgoing, 'response');
  answer.resume();
  const [seen] = upstream.seen;
  assert.equal(seen?.body.toString('utf8'), text);
  assert.equal(seen?.headers['transfer-encoding'], undefined);
  assert.equal(seen?.headers['content-length'], String(Buffer.byteLength(text)));
});

test('a stream asks for its usage, and nothing else of the body changes', async (t) => {
  const { upstream, sent } = await setUp(t);
  upstream.script(sse());
  const body = await sent(`{ "model" : "r", "stream":true,"seed":9007199254740993, ${messages} }`);
  assert.equal(
    body.toString('utf8'),
    `{ "model" : "org/model:1.0", "stream":true,"seed":9007199254740993, ${messages} ,"stream_options":{"include_usage":true}}`,
  );
});

test("the client's own stream options are kept beside the gateway's", async (t) => {
  const { upstream, sent } = await setUp(t);
  upstream.script(sse());
  const options = (value: string) => `{"model":"r","stream":true,"stream_options":${value},${messages}}`;
  const body = await sent(options('{"include_obfuscation": false , "include_usage" : false}'));
  assert.equal(
    body.toString('utf8'),
    options('{"include_obfuscation": false , "include_usage" : true}').replace('"r"', '"org/model:1.0"'),
  );
});
