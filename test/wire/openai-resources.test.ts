import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startGateway } from '../helpers/gateway.js';
import { ADMIN_KEY, API_KEY, startOpenAiApi } from '../helpers/openai-api.js';
import { organization, projects } from '../helpers/openai-calls/admin.js';
import { assistants } from '../helpers/openai-calls/assistants.js';
import { type Call, MODEL } from '../helpers/openai-calls/call.js';
import { assertSameAnswer, assertSameRequest } from '../helpers/openai-calls/differences.js';
import { inference } from '../helpers/openai-calls/inference.js';
import { createCaller } from '../helpers/openai-calls/make.js';
import { clientMethods, leftOut } from '../helpers/openai-calls/methods.js';
import { stored } from '../helpers/openai-calls/stored.js';

const calls: readonly Call[] = [...inference, ...stored, ...assistants, ...organization, ...projects];

/** A route with one target, `main` and MODEL. */
const ROUTE = 'a-route-of-the-gateway';
/** What is routed by its `model`; elsewhere a `model` is the provider's business. */
const routed =
  /^(chat\.completions|completions|embeddings|moderations|images|audio\.\w+|(beta\.)?responses)\.(create|createVariation|edit|generate|parse|stream)$/;
/**
 * The gateway asks for the usage of these streams where the client does not, and takes its chunk out again. What is
 * left is that the other chunks say `usage: null`, as OpenAI's do once somebody has asked.
 */
const usageAdded = new Set(['chat.completions.create streamed', 'completions.create streamed']);
/** What takes the provider's administrator key. */
const administered = /^(admin|fineTuning\.checkpoints)\./;

async function setUp(context: TestContext) {
  const upstream = await startOpenAiApi(context);
  const gateway = await startGateway(context, {
    providers: {
      main: { type: 'openai-compatible', baseUrl: upstream.url, apiKey: API_KEY, models: { [MODEL]: {} } },
      admin: { type: 'openai-compatible', baseUrl: upstream.url, apiKey: ADMIN_KEY, models: { any: {} } },
    },
    routes: { [ROUTE]: { targets: [`main/${MODEL}`] } },
    passthroughProvider: 'main',
  });
  const keys = { apiKey: API_KEY, adminAPIKey: ADMIN_KEY };
  const none = { apiKey: 'not-for-the-upstream', adminAPIKey: 'nor-is-this' };
  const baseURL = `${gateway.url}/v1`;
  return {
    upstream,
    gateway,
    direct: createCaller({ baseURL: upstream.url, ...keys }),
    through: createCaller({ baseURL, ...none }),
    throughAdmin: createCaller({ baseURL, ...none, headers: { 'x-gateway-provider': 'admin' } }),
  };
}

test('every resource of the official client works through the gateway as it does without it', async (t) => {
  const { upstream, gateway, ...callers } = await setUp(t);
  const statuses: number[] = [];

  /** Makes one call and returns it with the requests that reached the upstream. */
  async function make(caller: ReturnType<typeof createCaller>, call: Call) {
    upstream.seen.length = 0;
    const outcome = await caller(call);
    if (caller !== callers.direct) statuses.push(...outcome.answers.map(({ status }) => status));
    return { ...outcome, seen: [...upstream.seen] };
  }

  async function compare(call: Call, sent: Call = call): Promise<void> {
    const expected = await make(callers.direct, call);
    assert.ok(expected.seen.length > 0 && expected.answers.length === expected.seen.length);
    const meantToFail = call.args.some((arg) => String(arg).startsWith('status-'));
    assert.equal(
      expected.answers.every(({ status }) => status < 300),
      !meantToFail,
      'works directly',
    );
    const viaAdmin = administered.test(call.method);
    const actual = await make(viaAdmin ? callers.throughAdmin : callers.through, sent);
    assert.equal(actual.seen.length, expected.seen.length, 'as many requests');
    const adds = usageAdded.has(titleOf(call));
    assert.deepEqual(actual.result, expected.result);
    for (const [index, direct] of expected.answers.entries()) {
      const answer = at(actual.answers, index);
      assertSameAnswer(answer, direct);
    }
    for (const [index, direct] of expected.seen.entries()) {
      const request = at(actual.seen, index);
      assert.equal(request.headers.authorization, `Bearer ${viaAdmin ? ADMIN_KEY : API_KEY}`);
      assertSameRequest(adds ? withoutUsage(request) : request, direct);
    }
  }

  for (const call of calls.filter(({ own }) => !own)) {
    await t.test(`${titleOf(call)}: the same request, the same answer`, () => compare(call));
    const named = underAnotherName(call);
    if (named === null) continue;
    await t.test(`${titleOf(call)}: so it is under the name of a route`, () => compare(call, named));
  }

  for (const call of calls.filter(({ own }) => own)) {
    await t.test(`${titleOf(call)}: the gateway answers with its own models`, async () => {
      const { result, answers, seen } = await make(callers.through, call);
      assert.deepEqual([answers[0]?.status, seen], [200, []]);
      assert.match(JSON.stringify(result), new RegExp(`"main/${MODEL}"`));
    });
  }

  await t.test('every request has left one record that says how it was answered', async () => {
    const rows = await gateway.exchanges(statuses.length);
    assert.deepEqual(
      rows.map(({ status, outcome }) => [status, outcome]),
      statuses.map((status) => [status, status < 400 ? 'ok' : 'failed']),
    );
  });
});

test('every method of every resource of the installed client is called, or left out for a reason', () => {
  const called = new Set(calls.map(({ method }) => method));
  const methods = clientMethods();
  assert.ok(methods.length > 250);
  const missing = methods.filter((method) => !called.has(method) && !(method in leftOut));
  assert.deepEqual(missing, []);
  const needless = [...called, ...Object.keys(leftOut)].filter((method) => !methods.includes(method));
  assert.deepEqual(needless, []);
  assert.deepEqual(
    [...called].filter((method) => method in leftOut),
    [],
  );
});

function titleOf({ method, what }: Call): string {
  return what === null ? method : `${method} ${what}`;
}

/** The same call with the route's name for the model; null when it is not routed by one. */
function underAnotherName(call: Call): Call | null {
  const [body, ...rest] = call.args;
  if (!routed.test(call.method) || typeof body !== 'object' || body === null) return null;
  if (!('model' in body) || body.model !== MODEL) return null;
  return { ...call, args: [{ ...body, model: ROUTE }, ...rest] };
}

function withoutUsage<Message extends { body: Buffer }>(message: Message): Message {
  const text = message.body.toString('utf8');
  const body = text.replace(',"stream_options":{"include_usage":true}', '');
  assert.notEqual(body, text, 'the usage is asked for');
  return { ...message, body: Buffer.from(body) };
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  assert.ok(item !== undefined, `There is no number ${index}.`);
  return item;
}
