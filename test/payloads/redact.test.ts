import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRedactor } from '../../src/payloads/redact.js';

const redact = (value: unknown, paths: string[] = [], secrets: string[] = []): string =>
  String(
    createRedactor({ paths, secrets })(
      Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    ),
  );

const credentials = [
  'sk-proj-AbCdEf0123456789AbCdEf',
  'sk-ant-api03-AbCdEf0123456789_AbCdEf-AA',
  'gsk_AbCdEf0123456789AbCdEf0123456789',
  'csk-abcdef0123456789abcdef',
  'sk_live_AbCdEf0123456789AbCdEf',
  `gw-a1b2c3d4-${'Ab_-1'.repeat(8)}xyz`,
  'AKIAIOSFODNN7EXAMPLE',
  `AIza${'b'.repeat(35)}`,
  `ghp_${'A1'.repeat(18)}`,
  `github_pat_${'A1'.repeat(18)}`,
  'xoxb-123456789012-AbCdEfGhIj',
  `hf_${'Ab'.repeat(17)}`,
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U',
];

for (const credential of credentials) {
  test(`a credential such as ${credential.slice(0, 12)}… is not stored, wherever it stands`, () => {
    for (const content of [
      credential,
      `my key is ${credential}, keep it`,
      `"${credential}"`,
      `(${credential})`,
    ]) {
      const shown = redact({ messages: [{ role: 'user', content }] });
      assert.ok(!shown.includes(credential.slice(4, 20)), shown);
      assert.equal(typeof JSON.parse(shown).messages[0].content, 'string');
    }
  });
}

test('authorization headers, passwords in URLs and private keys are not stored', () => {
  const key = '-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----';
  const content = `curl -H "Authorization: Bearer abc123def456" -H 'authorization: Basic dXNlcjpwYXNz' https://user:hunter2@host/ ${key} done`;
  const shown = redact({ content });
  for (const secret of ['abc123def456', 'dXNlcjpwYXNz', 'hunter2', 'MIIEpAIBAAKCAQEA'])
    assert.ok(!shown.includes(secret), shown);
  assert.match(JSON.parse(shown).content, / done$/);
});

test('a private key that is cut off is not stored either', () => {
  assert.ok(!redact('{"content":"-----BEGIN PRIVATE KEY-----\\nMIIEpAIBAAKCAQEA').includes('MIIE'));
});

test('members with the name of a credential lose their value, whatever it is', () => {
  const body = { api_key: 'x', 'X-Api-Key': 'plain words', password: 12, nested: [{ accessToken: 'abc' }] };
  assert.deepEqual(JSON.parse(redact(body)), {
    api_key: '[redacted]',
    'X-Api-Key': '[redacted]',
    password: '[redacted]',
    nested: [{ accessToken: '[redacted]' }],
  });
});

test('a schema that describes such a member stays, and so do counts of tokens', () => {
  const body = { properties: { password: { type: 'string' } }, max_tokens: 5, password: null, secret: true };
  assert.deepEqual(JSON.parse(redact(body)), body);
});

test('a credential in the arguments of a tool call, which are JSON in a string, is not stored', () => {
  const body = { arguments: JSON.stringify({ api_key: 'hunter2hunter2', q: 'x', password: 'short' }) };
  const shown = JSON.parse(redact(body));
  assert.deepEqual(JSON.parse(shown.arguments), { api_key: '[redacted]', q: 'x', password: '[redacted]' });
});

test('values at configured paths are not stored, and a star is any one name or index', () => {
  const body = {
    messages: [
      { role: 'user', content: [{ text: 'hi' }] },
      { content: 'yo', deep: { content: 'ok' } },
    ],
  };
  assert.deepEqual(JSON.parse(redact(body, ['messages.*.content'])), {
    messages: [
      { role: 'user', content: '[redacted]' },
      { content: '[redacted]', deep: { content: 'ok' } },
    ],
  });
  assert.deepEqual(JSON.parse(redact(body, ['messages.1'])).messages[1], '[redacted]');
  assert.deepEqual(JSON.parse(redact(body, ['*'])), { messages: '[redacted]' });
});

test('escapes before a quote are counted', () => {
  assert.equal(redact('{"a":"x\\\\","secret":"plain"}'), '{"a":"x\\\\","secret":"[redacted]"}');
  assert.equal(redact('{"a":"x\\",\\"secret\\":\\"y"}'), '{"a":"x\\",\\"secret\\":\\"y"}');
  assert.equal(redact('{"secret":"x\\\\\\" y","b":1}'), '{"secret":"[redacted]","b":1}');
});

test('a path reaches a key that is written with escapes, and a value that is cut off', () => {
  assert.equal(redact('{"us\\u0065r":"me"}', ['user']), '{"us\\u0065r":"[redacted]"}');
  assert.equal(redact('{"user":"me and my na', ['user']), '{"user":"[redacted]"');
});

test('what the gateway knows to be a key is not stored, whatever it looks like', () => {
  assert.equal(
    redact({ content: 'is it correct horse battery?' }, [], ['correct horse battery']).includes('horse'),
    false,
  );
  assert.match(redact({ content: 'ollama runs llamas' }, [], ['ollama']), /ollama/);
});

test('ordinary text keeps its bytes, in the very same buffer', () => {
  const redactor = createRedactor({ paths: ['nothing.here'], secrets: [] });
  const texts = [
    '{"content":"the bearer of this letter knows a password: it opens doors"}',
    '{"n":1.0,"big":9007199254740993,"e":"\\u00e9é","a":["sk-8"],"b":"basic understanding"}',
    '{"key":"pk_customer_orders_index, sk-learn-preprocessing-module"}',
    '{"url":"https://example.com:8080/path?a=b@c","text":"risk-management-strategies-overview"}',
    '\xff\x00 no JSON',
  ];
  for (const text of texts) {
    const body = Buffer.from(text, 'latin1');
    assert.equal(redactor(body), body, `${redactor(body)}`);
  }
});

test('what was JSON is JSON afterwards', () => {
  const value = fc.jsonValue({ maxDepth: 4 });
  const strange = fc.oneof(
    fc.constantFrom(...credentials, '"api_key": "abcd"', 'password=', "'password'", '://a:b@c', '\\'),
    fc.string(),
  );
  fc.assert(
    fc.property(value, fc.array(strange), (json, texts) => {
      const named = Object.fromEntries(texts.map((text, index) => [text, [index, text, null, 1234567]]));
      JSON.parse(redact({ json, text: texts.join(' '), list: texts, named }));
    }),
  );
});

test('hostile text takes linear time', () => {
  const redactor = createRedactor({ paths: [], secrets: [] });
  const size = 300_000;
  const hostile = [
    '-----BEGIN PRIVATE KEY-----{',
    '-eyJaaaaaaaa',
    '.eyJaaaaaaaa',
    'bearer ',
    'bearer aaaaaaaa',
    '://',
    '://aaaa:',
    'password" ',
    'password\\',
    'api_key= ',
    'sk-',
    '[',
    '{"a":',
    '"',
    '\\"',
  ];
  for (const unit of hostile) {
    const body = Buffer.from(`{"c":"${unit.repeat(Math.ceil(size / unit.length))}`);
    const start = performance.now();
    redactor(body);
    assert.ok(performance.now() - start < 2000, `${JSON.stringify(unit)}: ${performance.now() - start} ms`);
  }
});
