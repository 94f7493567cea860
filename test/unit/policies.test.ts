import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type GatewayOptions, parseConfig } from '../../src/config.js';
import { GatewayError } from '../../src/errors.js';
import { foldText, globMatcher, keywordMatcher } from '../../src/routing/patterns.js';
import { createPolicies } from '../../src/routing/policies.js';
import { buildTable } from '../../src/routing/table.js';
import { facts } from './routing-fixture.js';

const providers = {
  groq: {
    type: 'groq',
    apiKey: 'k',
    models: {
      'meta/llama': { price: { input: 1, output: 2 } },
      dear: { price: { input: 1, output: 20 } },
      'no-output': { price: { input: 1 } },
      unpriced: {},
    },
  },
  lab: { type: 'ollama' },
} as const;

function policiesOf(policies: GatewayOptions['policies']) {
  const config = parseConfig({ providers, ...(policies && { policies }) }, {});
  return { resolve: createPolicies(config).resolve, table: buildTable(config) };
}

/** What a policy refuses of these, by id. */
function verdicts(policies: GatewayOptions['policies'], name: string, bound: string | null = null) {
  const { resolve, table } = policiesOf(policies);
  const policy = resolve(facts('Hello', { policy: name, keyPolicy: bound }));
  const ids = ['groq/meta/llama', 'groq/dear', 'groq/no-output', 'groq/unpriced', 'lab/any'];
  return ids.map((id) => {
    const [target] = table.resolve(id)?.targets ?? [];
    assert.ok(target && policy);
    const verdict = policy.refuses(target, { now: 0, inputTokens: 10 });
    assert.equal(policy.refuses(target, { now: 0, inputTokens: 10 }), verdict, 'the same when asked again');
    return verdict;
  });
}

const no = 'policy_denied';
const dear = 'price_ceiling';

test('allowed and denied targets are patterns, and denied wins', () => {
  assert.deepEqual(verdicts({ p: {} }, 'p'), [null, null, null, null, null]);
  assert.deepEqual(verdicts({ p: { allow: ['groq/*'] } }, 'p'), [null, null, null, null, no]);
  assert.deepEqual(verdicts({ p: { allow: ['groq/meta/*', 'lab/any'] } }, 'p'), [null, no, no, no, null]);
  assert.deepEqual(verdicts({ p: { deny: ['*/dear'] } }, 'p'), [null, no, null, null, null]);
  assert.deepEqual(verdicts({ p: { allow: ['*'], deny: ['groq/*'] } }, 'p'), [no, no, no, no, null]);
});

test('a price above the ceiling is too high, and so is an unknown one', () => {
  assert.deepEqual(verdicts({ p: { maxPrice: { output: 2 } } }, 'p'), [null, dear, dear, dear, dear]);
  assert.deepEqual(verdicts({ p: { maxPrice: { input: 1 } } }, 'p'), [null, null, null, dear, dear]);
  assert.deepEqual(verdicts({ p: { maxPrice: { input: 0.5, output: 50 } } }, 'p'), [
    dear,
    dear,
    dear,
    dear,
    dear,
  ]);
});

test('the client’s word goes before its key’s, and that before a keyword', () => {
  const { resolve } = policiesOf({ asked: {}, own: {}, worded: { keywords: ['debug'] } });
  const name = (text: string, more: Parameters<typeof facts>[1]) => resolve(facts(text, more))?.name ?? null;
  assert.equal(name('debug', { keyPolicy: 'own', policy: 'asked' }), 'asked');
  assert.equal(name('debug', { keyPolicy: 'own' }), 'own');
  assert.equal(name('debug', {}), 'worded');
  assert.equal(name('hello', {}), null);
});

test('what a key’s policy forbids stays forbidden under every other', () => {
  const policies = {
    own: { deny: ['groq/dear'], strategy: 'cheapest', tier: 'local' },
    asked: { deny: ['lab/*'] },
    other: { strategy: 'fastest', tier: 'frontier' },
  } satisfies GatewayOptions['policies'];
  assert.deepEqual(verdicts(policies, 'asked', 'own'), [null, no, null, null, no]);
  const { resolve } = policiesOf(policies);
  const under = (policy: string) => resolve(facts('', { keyPolicy: 'own', policy }));
  assert.deepEqual([under('asked')?.strategy, under('asked')?.tier], ['cheapest', 'local']);
  assert.deepEqual([under('other')?.strategy, under('other')?.tier], ['fastest', 'frontier']);
  assert.deepEqual([under('own')?.name, under('own')?.strategy], ['own', 'cheapest']);
});

test('a policy that is not configured is a 400 that names the header', () => {
  const { resolve } = policiesOf({ p: {} });
  for (const policy of ['q', '', '__proto__', 'constructor']) {
    assert.throws(
      () => resolve(facts('', { policy })),
      (error) =>
        error instanceof GatewayError &&
        error.statusCode === 400 &&
        error.code === 'invalid_request_error' &&
        error.param === 'x-gateway-policy',
      policy,
    );
  }
});

test('the first policy with a keyword in the last user message counts', () => {
  const { resolve } = policiesOf({
    one: { keywords: ['debug', 'stack trace'] },
    two: { keywords: ['debug', 'test'] },
  });
  const name = (text: string) => resolve(facts(text))?.name ?? null;
  assert.equal(name('Please DEBUG this'), 'one');
  assert.equal(name('a stack\n  trace'), 'one');
  assert.equal(name('run the test.'), 'two');
  assert.equal(name('the latest contest, debugging'), null);
  const earlier = {
    messages: [
      { role: 'user', content: 'debug' },
      { role: 'assistant', content: 'debug' },
      { role: 'user', content: 'thanks' },
    ],
  };
  assert.equal(resolve(facts('', { body: earlier })), null);
});

test('words are whole in every script', () => {
  const found = (keyword: string, text: string) => keywordMatcher(keyword)(foldText(text));
  assert.equal(found('naïve', 'a NAÏVE one'), true);
  assert.equal(found('naïve', 'a nai\u0308ve one'), true);
  assert.equal(found('код', 'где код?'), true);
  assert.equal(found('код', 'кодекс'), false);
  assert.equal(found('ode', 'code'), false);
  assert.equal(found('ode', 'ode_'), false);
  assert.equal(found('c++', 'in C++, not C'), true);
  assert.equal(found('c', 'c++'), true);
  assert.equal(found('函数', '写一个函数来排序'), true);
  assert.equal(found('a', '\u{1d400}a'), false);
  assert.equal(found('a', '😀a😀'), true);
  assert.equal(found('test', 'latest test'), true);
});

test('a glob is what the regular expression of the same meaning is', () => {
  const piece = fc.constantFrom('a', 'b', '/', '.', 'ab', '*');
  const pattern = fc.array(piece, { maxLength: 8 }).map((parts) => parts.join(''));
  const text = fc
    .array(fc.constantFrom('a', 'b', '/', '.'), { maxLength: 10 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(pattern, text, (glob, candidate) => {
      const source = glob.replace(/[.]/g, '\\.').replace(/\*+/g, '.*');
      assert.equal(globMatcher(glob)(candidate), new RegExp(`^${source}$`, 's').test(candidate));
    }),
    { numRuns: 3000 },
  );
});
