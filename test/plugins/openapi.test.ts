import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGateway } from '../helpers/gateway.js';

interface Operation {
  summary?: string;
  operationId: string;
  security: object[];
  parameters: { name: string; in: string }[];
  requestBody?: { content: Record<string, { schema: { required?: string[] } }> };
  responses: Record<
    string,
    { description: string; content?: Record<string, { schema: Record<string, unknown> }> }
  >;
}

interface Document {
  openapi: string;
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
}

const echo = { providers: { echo: { type: 'echo', models: { echo: {} } } } } as const;

test('the document describes every route of the gateway, and nothing of its host', async (t) => {
  const { app, url } = await startGateway(t, {
    ...echo,
    host: (host) => host.get('/host-route', async () => 'host'),
  });
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as Document;
  assert.equal(document.openapi, '3.1.0');
  assert.deepEqual(document.servers, [{ url: '/ai' }]);
  const listed = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method} ${path}`),
  );
  for (const name of [
    'post /v1/chat/completions',
    'get /v1/models/{path}',
    'get /stats',
    'get /stats/sessions',
    'get /exchanges/export',
    'delete /exchanges/{id}',
    'get /health',
    'get /openapi.json',
  ]) {
    assert.ok(listed.includes(name), name);
  }
  assert.ok(!listed.some((name) => name.includes('host-route') || name.startsWith('head ')));
  for (const name of listed) {
    const [method = '', path = ''] = name.split(' ');
    const known = {
      method: method.toUpperCase(),
      url: `/ai${path.replace('{path}', '*').replace('{id}', ':id')}`,
    };
    assert.ok(app.hasRoute(known as Parameters<typeof app.hasRoute>[0]), name);
  }
});

test('every operation has a summary, its path parameters, an error, and an id of its own', async (t) => {
  const { app } = await startGateway(t, echo);
  const document: Document = (await app.inject('/ai/openapi.json')).json();
  const ids = new Set<string>();
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const name = `${method} ${path}`;
      assert.ok(operation.summary, name);
      assert.ok(!ids.has(operation.operationId), operation.operationId);
      ids.add(operation.operationId);
      const inPath = operation.parameters
        .filter((each) => each.in === 'path')
        .map((each) => `{${each.name}}`);
      assert.deepEqual(inPath, path.match(/\{\w+\}/g) ?? [], name);
      assert.ok('default' in operation.responses, name);
      assert.ok(Object.values(operation.responses).every(({ description }) => description !== ''));
    }
  }
  const references = JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g);
  for (const [, name = ''] of references) assert.ok(name in document.components.schemas, name);
});

test('parameters, bodies and answers are those of the schemas', async (t) => {
  const { app } = await startGateway(t, echo);
  const { paths }: Document = (await app.inject('/ai/openapi.json')).json();
  const stats = paths['/stats']?.get;
  assert.ok(stats);
  assert.ok(stats.parameters.some(({ name }) => name === 'group_by'));
  const answer = stats.responses['200']?.content?.['application/json']?.schema;
  assert.ok(Object.keys(answer?.properties ?? {}).includes('totals'));
  const chat = paths['/v1/chat/completions']?.post;
  assert.deepEqual(chat?.requestBody?.content['application/json']?.schema.required, ['model', 'messages']);
  assert.equal(paths['/exchanges/{id}']?.delete?.responses['204']?.content, undefined);
  assert.deepEqual(paths['/health']?.get?.security, []);
  assert.equal(stats.security.length, 2);
});

test('every answer of the statistics has exactly the members that its schema names', async (t) => {
  const { app, url } = await startGateway(t, echo);
  const chat = { model: 'echo/echo', messages: [{ role: 'user', content: 'Hi' }] };
  const body = JSON.stringify(chat);
  const headers = { 'content-type': 'application/json', 'x-session-id': 's' };
  const answered = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body, headers });
  await answered.arrayBuffer();
  const { paths }: Document = (await app.inject('/ai/openapi.json')).json();
  for (const path of ['/stats', '/stats/models', '/stats/sessions', '/exchanges']) {
    const schema = paths[path]?.get?.responses['200']?.content?.['application/json']?.schema ?? {};
    for (const search of path.startsWith('/stats/s') || path === '/exchanges'
      ? ['']
      : ['', '?interval=hour']) {
      const answer = (await app.inject(`/ai${path}${search}`)).json();
      compare(answer, schema, path + search);
    }
  }
});

/** Both ways: nothing that is not described, and nothing missing that is required. */
function compare(value: unknown, schema: Record<string, unknown>, where: string): void {
  const choices = (schema.anyOf ?? []) as Record<string, unknown>[];
  const fitting = choices.find(({ type }) => (type === 'null') === (value === null));
  if (fitting) {
    compare(value, fitting, where);
  } else if (Array.isArray(value)) {
    for (const each of value) compare(each, schema.items as Record<string, unknown>, `${where}[]`);
  } else if (typeof value === 'object' && value !== null && schema.properties !== undefined) {
    const properties = schema.properties as Record<string, Record<string, unknown>>;
    const required = (schema.required ?? []) as string[];
    for (const name of required) assert.ok(name in value, `${where}.${name} is missing`);
    for (const [name, each] of Object.entries(value)) {
      const described = properties[name];
      assert.ok(described !== undefined, `${where}.${name} is not described`);
      compare(each, described, `${where}.${name}`);
    }
  }
}
