import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { MODEL, startClients } from '../helpers/aimock.js';
import { startGateway } from '../helpers/gateway.js';
import { json, startUpstream } from '../helpers/upstream.js';

const vector = [0.25, -1.5, 3.0000000001];

test('float embeddings are the same through the gateway', async (t) => {
  const { mock, gateway, through, direct } = await startClients(t);
  mock.onEmbedding('embed me', { embedding: vector });
  const body: OpenAI.EmbeddingCreateParams = {
    model: 'text-embedding-3-small',
    input: ['embed me', '再来'],
    encoding_format: 'float',
  };
  const answer = await through.embeddings.create(body);
  assert.equal(answer.data.length, 2);
  assert.deepEqual(answer.data[0]?.embedding, vector);
  assert.deepEqual(answer, await direct.embeddings.create(body));
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(
    [row?.provider, row?.model, row?.outcome, row?.endpoint],
    ['main', body.model, 'ok', '/v1/embeddings'],
  );
  assert.equal(row?.input_uncached_tokens, answer.usage.prompt_tokens);
  assert.equal(row?.output_text_tokens, null, 'an embedding has no output tokens, which is not zero of them');
});

// The mock has no base64 encoding, which is what the client asks for unless it is told otherwise.
test('the base64 embeddings that the client asks for by default are decoded to the same numbers', async (t) => {
  const numbers = [0.25, -1.5, 42];
  const encoded = Buffer.from(new Float32Array(numbers).buffer).toString('base64');
  const upstream = await startUpstream(
    t,
    json({
      object: 'list',
      model: 'e',
      data: [{ object: 'embedding', index: 0, embedding: encoded }],
      usage: { prompt_tokens: 3, total_tokens: 3 },
    }),
  );
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
  });
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const answer = await client.embeddings.create({ model: 'main/e', input: 'x' });
  assert.deepEqual([...(answer.data[0]?.embedding ?? [])], numbers);
  assert.equal(JSON.parse(String(upstream.seen[0]?.body)).encoding_format, 'base64');
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.input_uncached_tokens, row?.usage_source], [3, 'reported']);
});

test('the client lists every route, alias and target', async (t) => {
  const { through } = await startClients(t);
  const ids: string[] = [];
  for await (const model of through.models.list()) ids.push(model.id);
  assert.deepEqual(ids.sort(), [
    'embed',
    'fast',
    `main/${MODEL}`,
    'main/meta/llama-3.1:8b',
    'main/text-embedding-3-small',
  ]);
});

test('the client retrieves a model whose id holds slashes, dots and colons', async (t) => {
  const { through, gateway } = await startClients(t);
  for (const id of ['main/meta/llama-3.1:8b', 'fast']) {
    const model = await through.models.retrieve(id);
    assert.deepEqual([model.id, model.object], [id, 'model']);
  }
  // The client writes %2F; a slash as it is means the same.
  const plain = await fetch(`${gateway.url}/v1/models/main/meta/llama-3.1:8b`);
  assert.equal(((await plain.json()) as { id: string }).id, 'main/meta/llama-3.1:8b');
});

test('every listed id can be retrieved', async (t) => {
  const { through } = await startClients(t);
  for await (const listed of through.models.list()) {
    assert.deepEqual({ ...(await through.models.retrieve(listed.id)) }, { ...listed });
  }
});

test("a model that is not there is the client's NotFoundError", async (t) => {
  const { through, gateway } = await startClients(t);
  await assert.rejects(through.models.retrieve('main/no-such'), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.deepEqual([error.status, error.code, error.param], [404, 'model_not_found', 'model']);
    return true;
  });
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason], ['rejected', 'no_route']);
});
