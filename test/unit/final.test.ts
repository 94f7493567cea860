import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/config.js';
import { GatewayError } from '../../src/errors.js';
import { type Exchange, openExchange } from '../../src/exchange.js';
import { requestFacts } from '../../src/routing/facts.js';
import { createRouter, type Router } from '../../src/routing/router.js';
import type { Target } from '../../src/routing/table.js';
import type { Answer } from '../../src/upstream/answer.js';
import { look, type Refused } from '../../src/upstream/dispatch.js';
import type { Failure } from '../../src/upstream/failure.js';
import { finalAnswer, nothingAvailable } from '../../src/upstream/final.js';
import { Progress } from '../../src/upstream/progress.js';

const router = createRouter(
  parseConfig(
    {
      providers: {
        lab: { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1', apiKey: 'sk-secret' },
      },
      routes: { main: { targets: ['lab/a', 'lab/b'] } },
    },
    {},
  ),
);

function target(): Target {
  const found = router.resolve('lab/a', null).targets[0];
  if (found === undefined) throw new Error('no target');
  return found;
}

function open(): Exchange {
  return openExchange({ method: 'POST', endpoint: '/v1/chat/completions' });
}

function answered(status: number, body: string, headers: Record<string, string> = {}): Failure {
  return { kind: 'answer', status, headers, body: Buffer.from(body) };
}

function text(answer: Answer): string {
  if (!Buffer.isBuffer(answer.body)) throw new Error('not a buffer');
  return answer.body.toString();
}

function refusal(act: () => unknown): GatewayError {
  try {
    act();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const never = () => null;

test('a JSON error of the upstream is passed on byte for byte, with its status and headers', () => {
  const exchange = open();
  const body = '{ "error" : {"message":"bad \\u0061rgument","code":"bad_argument","seed":9007199254740993} }';
  const headers = { 'content-type': 'application/problem+json', 'openai-version': '1', server: 'x' };
  const answer = finalAnswer(exchange, target(), answered(422, body, headers), never);
  assert.equal(answer.status, 422);
  assert.equal(text(answer), body);
  assert.deepEqual(answer.headers, {
    'content-type': 'application/problem+json',
    'openai-version': '1',
  });
  assert.deepEqual(
    [
      exchange.outcome,
      exchange.endReason,
      exchange.upstreamStatus,
      exchange.errorCode,
      exchange.errorMessage,
    ],
    ['failed', 'upstream_error', 422, 'bad_argument', 'bad argument'],
  );
});

test('an error page is put into an error body that names the provider', () => {
  const exchange = open();
  const answer = finalAnswer(exchange, target(), answered(502, '<html>Bad Gateway</html>'), never);
  assert.equal(answer.status, 502);
  assert.deepEqual(JSON.parse(text(answer)).error, {
    message: 'The provider "lab" answered 502: <html>Bad Gateway</html>',
    type: 'upstream_error',
    param: null,
    code: 'upstream_error',
  });
  assert.equal(exchange.errorCode, 'http_502');
});

test('an upstream that repeats the key it was given does not give it away', () => {
  for (const body of ['{"error":{"message":"bad key sk-secret"}}', 'bad key sk-secret, I said sk-secret']) {
    const exchange = open();
    const answer = finalAnswer(exchange, target(), answered(400, body), never);
    assert.ok(!text(answer).includes('sk-secret'));
    assert.match(text(answer), /bad key \*\*\*/);
    assert.ok(!exchange.errorMessage?.includes('sk-secret'));
  }
});

test('an upstream that refuses the credential keeps its words to itself', () => {
  for (const status of [401, 403]) {
    const exchange = open();
    const body = '{"error":{"message":"Incorrect API key: sk-s****t"}}';
    const answer = finalAnswer(exchange, target(), answered(status, body), never);
    assert.equal(answer.status, status);
    const { error } = JSON.parse(text(answer));
    assert.equal(error.code, 'upstream_authentication_failed');
    assert.equal(error.message, 'The provider "lab" refused the gateway\'s credential.');
    assert.equal(exchange.errorMessage, 'Incorrect API key: sk-s****t');
  }
});

test('a 429 says when the earliest target is free again, not what one upstream said', () => {
  const exchange = open();
  const failure = answered(429, '{"error":{"message":"slow down"}}', { 'retry-after': '999' });
  assert.equal(finalAnswer(exchange, target(), failure, () => 4_200).headers['retry-after'], '5');
  assert.equal(exchange.endReason, 'rate_limited');
  assert.equal(
    finalAnswer(open(), target(), failure, never).headers['retry-after'],
    '999',
    'nothing else is known',
  );
});

test('an upstream’s own retry-after of another status is passed on', () => {
  const failure = answered(503, '{"error":{"message":"busy"}}', { 'retry-after': '7' });
  assert.equal(finalAnswer(open(), target(), failure, () => 99_000).headers['retry-after'], '7');
});

test('a broken connection is a 502, a timeout a 504, and the cause stays in the record', () => {
  const broken: [endReason: 'upstream_reset' | 'idle_timeout', status: number, code: string][] = [
    ['upstream_reset', 502, 'upstream_error'],
    ['idle_timeout', 504, 'upstream_timeout'],
  ];
  for (const [endReason, status, code] of broken) {
    const exchange = open();
    const failure: Failure = { kind: 'broken', endReason, message: 'connect 10.0.0.7:443', status: null };
    const error = refusal(() => finalAnswer(exchange, target(), failure, never));
    assert.deepEqual([error.statusCode, error.code, error.endReason], [status, code, endReason]);
    assert.ok(!error.message.includes('10.0.0.7'));
    assert.match(error.message, /"lab"/);
    assert.deepEqual([exchange.outcome, exchange.errorMessage], ['failed', 'connect 10.0.0.7:443']);
  }
});

test('what was told to stop by a shutdown is a 503 to be tried again', () => {
  const exchange = open();
  exchange.cancelled = 'shutdown';
  const error = refusal(() => finalAnswer(exchange, target(), { kind: 'cancelled' }, never));
  assert.deepEqual([error.statusCode, error.code, error.retryAfterMs], [503, 'shutting_down', 1000]);
  assert.deepEqual([exchange.outcome, exchange.endReason], ['failed', 'shutdown']);
});

test('with every target rate limited the caller learns when the first is free', () => {
  const router = routerWithBlocks(['lab/a', 'rate_limited', 9_000], ['lab/b', 'rate_limited', 5_000]);
  const error = nothingAvailable(refused(router, 'main', 1_000), 1_000);
  assert.deepEqual([error.statusCode, error.code, error.retryAfterMs], [429, 'rate_limit_exceeded', 4_000]);
  assert.equal(error.message, 'Every target of the route "main" is rate limited or busy.');
});

test('with targets blocked for different reasons it is a 503 that says them', () => {
  const router = routerWithBlocks(['lab/a', 'rate_limited', 9_000], ['lab/b', 'model_missing', 5_000]);
  const error = nothingAvailable(refused(router, 'main', 1_000), 1_000);
  assert.deepEqual([error.statusCode, error.code, error.retryAfterMs], [503, 'no_available_target', 4_000]);
  assert.match(error.message, /rate limited, model missing/);
  const single = nothingAvailable(refused(router, 'lab/b', 0), 0);
  assert.match(single.message, /the model "lab\/b"/);
});

test('what ends nobody knows when is worth a try in a second, and what never ends is worth none', () => {
  const none = refused(routerWithBlocks(), 'main', 0);
  const because = (...reasons: Refused['skips'][number]['reason'][]) => {
    const skips = none.plan.entry.targets.flatMap((target, index) => {
      const reason = reasons[index];
      return reason === undefined ? [] : [{ target, reason, until: null, source: null }];
    });
    const { code, retryAfterMs } = nothingAvailable({ ...none, skips }, 0);
    return [code, retryAfterMs];
  };
  assert.deepEqual(because('concurrency_full', 'concurrency_full'), ['rate_limit_exceeded', 1_000]);
  assert.deepEqual(because('policy_denied', 'concurrency_full'), ['rate_limit_exceeded', 1_000]);
  assert.deepEqual(because('policy_denied', 'breaker_open'), ['no_available_target', 1_000]);
  assert.deepEqual(because('policy_denied', 'price_ceiling'), ['no_available_target', null]);
  assert.deepEqual(because('limit_too_small', 'tier_too_low'), ['no_available_target', null]);
  assert.deepEqual(because(), ['no_available_target', null]);
});

test('a request that no target can hold is the caller’s to shorten', () => {
  const router = routerWithBlocks();
  const none = refused(router, 'main', 0);
  const skips = none.plan.entry.targets.map((target) => ({
    target,
    reason: 'context_too_small' as const,
    until: null,
    source: null,
  }));
  const error = nothingAvailable({ ...none, skips }, 0);
  assert.deepEqual([error.statusCode, error.code, error.param], [400, 'context_length_exceeded', 'messages']);
});

test('a full queue is a 429 with the time at which its first in line goes on', () => {
  const waiting = { ...refused(routerWithBlocks(), 'main', 0), queue: 'full' as const, retryAt: 2_500 };
  const error = nothingAvailable(waiting, 500);
  assert.deepEqual([error.statusCode, error.code, error.retryAfterMs], [429, 'rate_limit_exceeded', 2_000]);
  assert.equal(nothingAvailable({ ...waiting, queue: 'closed' }, 0).code, 'shutting_down');
});

/** What choosing comes to when nothing may be sent. */
function refused(router: Router, model: string, now: number): Refused {
  const facts = requestFacts({
    endpoint: 'chat/completions',
    body: {},
    bodyBytes: 2,
    caller: null,
    session: null,
    policy: null,
  });
  const exchange = open();
  return look(router, new Progress(exchange, router.resolve(model, null), facts, 0), now);
}

function routerWithBlocks(...blocks: [key: string, why: 'rate_limited' | 'model_missing', until: number][]) {
  const config = parseConfig(
    {
      providers: { lab: { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1' } },
      routes: { main: { targets: ['lab/a', 'lab/b'] } },
    },
    {},
  );
  const made = createRouter(config);
  for (const block of blocks) made.availability.block(...block);
  return made;
}
