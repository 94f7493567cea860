import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import Database from 'better-sqlite3';
import OpenAI from 'openai';
import type { Api, Reading } from '../helpers/apis.js';
import { muteUrl } from '../helpers/fault-scripts.js';
import type { After, Before, Complete, Fault, Mode } from '../helpers/faults.js';
import { post, type Row, type Setup, startGateway } from '../helpers/gateway.js';
import { json, refusingUrl, type ScriptedUpstream, sse, startUpstream } from '../helpers/upstream.js';

type Providers = NonNullable<Setup['providers']>;

/** Each is a provider of its own, so that what one learns about the upstream does not change the others. */
const USES = ['alone', 'first', 'official'] as const;
const HEALTHY = 'healthy';
/** Longer than any test. */
const NEVER = 60_000;
const TIMED_AT_ONCE = 4;

interface Case {
  api: Api;
  mode: Mode;
  fault: Fault;
  /** Names its providers. */
  id: string;
}

interface World {
  /** With `/v1`. */
  url: string;
  records: Records;
  client: OpenAI;
}

/** Runs every fault: with no other target, with a healthy one behind it, and with the official client. */
export async function runMatrix(
  context: TestContext,
  api: Api,
  faults: Record<Mode, Fault[]>,
): Promise<void> {
  const cases = (['JSON', 'stream'] as const).flatMap((mode) =>
    faults[mode].map((fault, index): Case => ({ api, mode, fault, id: `${mode.toLowerCase()}${index}` })),
  );
  const world = await startWorld(context, api, cases);
  const run = (one: Case) =>
    context.test(`${api.name}, ${one.mode}: ${one.fault.name}`, async () => {
      await Promise.all([alone(world, one), withSecond(world, one), official(world, one)]);
    });
  // Where a clock rings, what comes before it must come in time: these run last, and few at once.
  const timed = cases.filter(({ fault }) => fault.timeouts !== undefined);
  await Promise.all(cases.filter((one) => !timed.includes(one)).map(run));
  while (timed.length > 0) await Promise.all(timed.splice(0, TIMED_AT_ONCE).map(run));
}

/** One gateway with three providers for each case; the path of the base URL tells the upstream which case it is. */
async function startWorld(context: TestContext, api: Api, cases: Case[]): Promise<World> {
  const scripts = new Map<string, Fault['does']>(cases.map(({ id, fault }) => [id, fault.does]));
  const upstream = await startUpstream(context, (response, seen, request) => {
    const id = /^\/v1\/([a-z0-9]+)\//.exec(seen.url)?.[1] ?? '';
    const script = id === HEALTHY ? healthy(api, seen.body) : scripts.get(id);
    if (typeof script === 'function') script(response, seen, request);
    else response.destroy();
  });
  const special = { refuses: await refusingUrl(), 'never connects': await muteUrl(context) };
  const providers: Providers = { [HEALTHY]: provider(`${upstream.url}/${HEALTHY}`) };
  const routes: NonNullable<Setup['routes']> = {};
  for (const { id, fault } of cases) {
    const url = typeof fault.does === 'string' ? special[fault.does] : `${upstream.url}/${id}`;
    for (const use of USES) providers[`${id}-${use}`] = provider(url, fault.timeouts);
    routes[id] = { targets: [`${id}-first/m`, `${HEALTHY}/m`] };
  }
  const gateway = await startGateway(context, { providers, routes });
  const url = `${gateway.url}/v1`;
  const client = new OpenAI({ baseURL: url, apiKey: 'x', maxRetries: 0, logLevel: 'off' });
  return { url, client, records: readRecords(context, gateway.database) };
}

function provider(baseUrl: string, timeouts: Fault['timeouts'] = {}): Providers[string] {
  const never = { connect: NEVER, firstByte: NEVER, idle: NEVER, total: NEVER };
  return { type: 'openai-compatible', baseUrl, timeouts: { ...never, ...timeouts } };
}

function healthy(api: Api, request: ScriptedUpstream['seen'][number]['body']) {
  const streaming = request.includes('"stream":true');
  return streaming ? sse([...api.announcement, ...api.content, ...api.closing]) : json(api.answer);
}

function wholeAnswer({ api, mode }: Case): string {
  return mode === 'JSON'
    ? JSON.stringify(api.answer)
    : [...api.announcement, ...api.content, ...api.delivered].join('');
}

function ask({ url }: World, { api, mode }: Case, model: string): Promise<Response> {
  const streaming = mode === 'stream' && { stream: true };
  return post(`${url}${api.path}`, { ...api.request, model, ...streaming });
}

async function alone(world: World, one: Case): Promise<void> {
  const name = `${one.id}-alone`;
  const { expect } = one.fault;
  const response = await ask(world, one, `${name}/m`);
  const text = await response.text();
  assert.equal(response.headers.get('x-gateway-attempts'), '1');
  assert.equal(response.headers.get('content-length') === null, isStream(response));
  const { row, attempts } = await world.records.of(response);
  assert.equal(row.provider, name);
  assert.equal(row.bytes_out, Buffer.byteLength(text));
  if (expect.ends === 'complete') {
    checkComplete(one, expect, response, text, row);
    assert.deepEqual(attempts, [`${name} sent answered 200`]);
  } else if (expect.ends === 'before') {
    checkBefore(name, expect, response, text, row);
    assert.deepEqual(attempts, [`${name} sent ${expect.reason} ${expect.attemptStatus}`]);
  } else {
    checkAfter(name, expect, response, text, row);
    assert.deepEqual(attempts, [`${name} sent ${expect.endReason} 200`]);
  }
}

function checkComplete(one: Case, expect: Complete, response: Response, text: string, row: Row): void {
  const { tail = '', bytes } = expect;
  sameText(text === bytes + tail ? bytes : text, bytes);
  assert.equal(response.status, 200);
  assert.equal(isStream(response), one.mode === 'stream');
  if (one.mode === 'JSON') assert.match(String(response.headers.get('content-type')), /^application\/json/);
  assert.deepEqual(ending(row), ['ok', 'complete', 200, 200]);
  assert.deepEqual([row.error_code, row.error_message], [null, null]);
  assert.equal(row.usage_source, expect.usage ?? 'reported');
  if (expect.usage === undefined)
    assert.deepEqual([row.input_uncached_tokens, row.output_text_tokens], [10, 2]);
}

function checkBefore(name: string, expect: Before, response: Response, text: string, row: Row): void {
  assert.equal(response.status, expect.status);
  assert.match(String(response.headers.get('content-type')), /^application\/json/);
  if (expect.body !== null) assert.equal(text, expect.body(name));
  const { error } = JSON.parse(text) as { error: unknown };
  if (expect.body === null) {
    assert.deepEqual(Object.keys(error as object).sort(), ['code', 'message', 'param', 'type']);
    assert.equal((error as { message: unknown }).message, expect.message);
  }
  if (expect.retryAfter !== undefined) {
    const [from, to] = expect.retryAfter;
    const seconds = Number(response.headers.get('retry-after'));
    assert.ok(seconds >= from && seconds <= to, `retry-after is ${seconds}`);
  }
  assert.deepEqual(ending(row), ['failed', expect.endReason, expect.status, expect.attemptStatus]);
  assert.equal(row.error_code, expect.code);
  if (expect.message === undefined) assert.ok(String(row.error_message).length > 0);
  else assert.equal(row.error_message, expect.message);
  assert.deepEqual(
    [row.usage_source, row.input_uncached_tokens, row.output_text_tokens],
    ['none', null, null],
  );
}

function checkAfter(name: string, expect: After, response: Response, text: string, row: Row): void {
  assert.equal(response.status, 200);
  sameText(text, expect.bytes(name));
  assert.ok(!text.includes('[DONE]'));
  assert.deepEqual(ending(row), ['truncated', expect.endReason, 200, 200]);
  if (expect.error === undefined) assert.equal(row.error_code, expect.endReason);
  else assert.deepEqual([row.error_code, row.error_message], [expect.error.code, expect.error.message]);
  assert.notEqual(row.usage_source, 'none', 'what was generated was not free');
}

async function withSecond(world: World, one: Case): Promise<void> {
  const name = `${one.id}-first`;
  const { expect } = one.fault;
  const response = await ask(world, one, one.id);
  const text = await response.text();
  const { row, attempts } = await world.records.of(response);
  const [first, ...others] = attempts;
  if (expect.ends === 'before' && expect.final === undefined) {
    assert.equal(response.status, 200);
    sameText(text, wholeAnswer(one));
    assert.equal(response.headers.get('x-gateway-attempts'), '2');
    assert.equal(first, `${name} sent ${expect.reason} ${expect.attemptStatus}`);
    assert.deepEqual(others, [`${HEALTHY} sent answered 200`]);
    assert.deepEqual(ending(row), ['ok', 'complete', 200, 200]);
    assert.deepEqual([row.provider, row.error_code, row.usage_source], [HEALTHY, null, 'reported']);
  } else {
    assert.deepEqual(others, [], 'no other target was asked');
    assert.equal(row.provider, name);
    if (expect.ends === 'complete') checkComplete(one, expect, response, text, row);
    else if (expect.ends === 'after') checkAfter(name, expect, response, text, row);
    else checkBefore(name, expect, response, text, row);
  }
}

/** The official client never takes half an answer for a whole one, and raises nothing but what it documents. */
async function official({ client }: World, { api, mode, fault, id }: Case): Promise<void> {
  const model = `${id}-official/m`;
  const { expect } = fault;
  const seen: Reading = { text: '', ending: null };
  let raised: unknown = null;
  try {
    if (mode === 'JSON') Object.assign(seen, await api.ask(client, model));
    else await api.stream(client, model, seen);
  } catch (error) {
    raised = error;
  }
  if (expect.ends === 'complete') {
    const { text = api.text, ending: last = api.ending } = expect;
    assert.equal(raised, null);
    sameText(seen.text, text);
    assert.equal(seen.ending, last);
    return;
  }
  if (expect.ends === 'after' && expect.code === null) {
    assert.equal(raised, null);
    assert.deepEqual(seen, { text: expect.text, ending: 'failed' });
    return;
  }
  assert.ok(raised instanceof OpenAI.APIError, `it raised ${String(raised)}`);
  if (expect.ends === 'before') {
    assert.equal(raised.constructor, errorClass(expect.status));
    assert.equal(raised.status, expect.status);
    assert.match(String(raised.requestID), /^[0-9a-f-]{36}$/);
    if (expect.body === null) assert.equal(raised.message, `${expect.status} ${expect.message}`);
  } else {
    assert.equal(raised.constructor, OpenAI.APIError);
    assert.equal(String(raised.code), expect.code);
    assert.equal(seen.text, expect.text);
  }
}

/** What the client documents for a status. */
const documented = new Map<number, unknown>([
  [400, OpenAI.BadRequestError],
  [401, OpenAI.AuthenticationError],
  [403, OpenAI.PermissionDeniedError],
  [404, OpenAI.NotFoundError],
  [409, OpenAI.ConflictError],
  [422, OpenAI.UnprocessableEntityError],
  [429, OpenAI.RateLimitError],
]);

function errorClass(status: number): unknown {
  return documented.get(status) ?? (status >= 500 ? OpenAI.InternalServerError : OpenAI.APIError);
}

function ending(row: Row) {
  return [row.outcome, row.end_reason, row.status, row.upstream_status];
}

function isStream(response: Response): boolean {
  return String(response.headers.get('content-type')).startsWith('text/event-stream');
}

/** Equal, without a diff of megabytes when they are not. */
function sameText(actual: string, expected: string): void {
  if (actual === expected) return;
  assert.equal(actual.slice(0, 20_000), expected.slice(0, 20_000));
  assert.fail(`${actual.length} characters instead of ${expected.length}`);
}

interface Records {
  /** The exchange's row, and its attempts as `provider decision reason status`. */
  of(response: Response): Promise<{ row: Row; attempts: string[] }>;
}

/** Reads the ledger over one connection for all: hundreds of exchanges are looked up. */
function readRecords(context: TestContext, path: string): Records {
  const database = new Database(path, { readonly: true });
  context.after(() => database.close());
  const exchange = database.prepare<[string | null], Row>('SELECT * FROM exchanges WHERE id = ?');
  const attempts = database.prepare<[unknown], Row>(
    'SELECT * FROM attempts WHERE exchange_seq = ? ORDER BY number',
  );
  return {
    async of(response) {
      const id = response.headers.get('x-request-id');
      const deadline = Date.now() + 10_000;
      while (Date.now() < deadline) {
        const row = exchange.get(id);
        if (row !== undefined) {
          const tried = attempts.all(row.seq);
          return { row, attempts: tried.map((a) => `${a.provider} ${a.decision} ${a.reason} ${a.status}`) };
        }
        await wait(10);
      }
      throw new Error(`There is no record of the exchange ${id}.`);
    },
  };
}
