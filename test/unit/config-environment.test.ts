// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseConfig } from '../../src/config.js';

const host = (text: string, environment = {}) =>
  parseConfig({ server: { host: text } }, environment).server.host;

function fails(input: unknown, environment: Record<string, string | undefined>, message: string) {
  assert.throws(() => parseConfig(input, environment), { code: 'LLM_GATEWAY_INVALID_CONFIG', message });
}

test('variables expand anywhere in a string, several times, with defaults', () => {
  const environment = { A: 'one', B: 'two', EMPTY: '' };
  assert.equal(host('${A}', environment), 'one');
  assert.equal(host('x${A}-${B}y', environment), 'xone-twoy');
  assert.equal(host('${NONE:-d:e/f}', environment), 'd:e/f');
  assert.equal(host('${A:-d}', environment), 'one');
  assert.equal(host('${EMPTY:-d}', environment), 'd');
  assert.equal(host('a${NONE:-}b', environment), 'ab');
  assert.equal(host('$${A} $A {A} $', environment), '${A} $A {A} $');
});

test('an expanded value is not expanded again', () => {
  assert.equal(host('${A}', { A: '${B}', B: 'no' }), '${B}');
});

test('text without a reference is left alone', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1 }).filter((text) => !text.includes('${')),
      (text) => host(text) === text,
    ),
  );
});

test('a missing or empty variable is an error with path and name, and the only one there', () => {
  const line = 'server.port needs the environment variable PORT, which is not set or empty';
  fails({ server: { port: '${PORT}' } }, {}, line);
  fails({ server: { port: '${PORT}' } }, { PORT: '' }, line);
  fails({ server: { port: '${PORT}${PORT}' } }, {}, line);
  fails(
    { providers: { lab: { type: 'openai-compatible', baseUrl: '${URL}', apiKey: '${K}' } } },
    {},
    'providers.lab.baseUrl needs the environment variable URL, which is not set or empty\n' +
      'providers.lab.apiKey needs the environment variable K, which is not set or empty',
  );
  fails(
    { keys: [{ name: 'a', key: '${toString}' }] },
    {},
    'keys[0].key needs the environment variable toString, which is not set or empty',
  );
});

test('a reference that is not one is an error', () => {
  for (const text of ['${', '${A', '${}', '${A B}', '${A-b}', '${A:-${B}}', '${1}']) {
    fails(
      { server: { host: text } },
      { A: 'a', B: 'b' },
      'server.host has a ${ that is not ${NAME} or ${NAME:-default} (write $${ for a literal one)',
    );
  }
});

test('a variable fills a number, a boolean or a string as the key wants it', () => {
  const config = parseConfig(
    {
      server: { port: '${PORT}', host: '${HOST}' },
      database: '${LEDGER}',
      drainTimeout: '${DRAIN}',
      providers: { e: { type: 'echo', streamUsage: '${USAGE}', fail: '${FAIL}' } },
    },
    { PORT: '9000', HOST: '127', LEDGER: 'false', DRAIN: '1500', USAGE: 'false', FAIL: 'refuse' },
  );
  assert.deepEqual(config.server, { port: 9000, host: '127' });
  assert.equal(config.database, false);
  assert.equal(config.drainTimeout, 1500);
  assert.equal(config.providers.e?.streamUsage, false);
  assert.equal(config.providers.e?.echo?.fail, 'refuse');
});

test('a number written as text is not a number unless a variable held it', () => {
  fails(
    { server: { port: '9000' } },
    {},
    'server.port must be a port number between 0 and 65535, got "9000"',
  );
});

test('a variable with the wrong content is named, its content is not', () => {
  for (const PORT of ['sk-secret', '70000', ' ', 'NaN']) {
    fails(
      { server: { port: '${PORT}' } },
      { PORT },
      'server.port must be a port number between 0 and 65535, but PORT holds something else',
    );
  }
  fails(
    { providers: { lab: { type: 'openai-compatible', baseUrl: '${X}' } } },
    { X: 'sk-secret' },
    'providers.lab.baseUrl must be a URL, but X holds something else',
  );
});

test('an API key that is left out is looked up by the provider name', () => {
  const config = parseConfig(
    {
      providers: {
        'my-groq_2': { type: 'groq' },
        google: { type: 'google' },
        lab: { type: 'openai-compatible', baseUrl: 'http://lab' },
        given: { type: 'openai', apiKey: 'mine' },
        openai: { type: 'echo' },
        ollama: { type: 'ollama' },
        'lm-studio': { type: 'lm-studio' },
      },
    },
    {
      MY_GROQ_2_API_KEY: 'a',
      GEMINI_API_KEY: 'b',
      LAB_API_KEY: 'c',
      GIVEN_API_KEY: 'no',
      OPENAI_API_KEY: 'no',
    },
  );
  const keys = Object.values(config.providers).map(({ name, apiKey }) => [name, apiKey]);
  assert.deepEqual(Object.fromEntries(keys), {
    'my-groq_2': 'a',
    google: 'b',
    lab: 'c',
    given: 'mine',
    openai: null,
    ollama: null,
    'lm-studio': null,
  });
});

test('a hosted provider without a key names both ways to give one', () => {
  for (const type of ['openai', 'openrouter', 'groq', 'cerebras', 'google']) {
    fails(
      { providers: { fast: { type } } },
      { FAST_API_KEY: '', GROQ_API_KEY: 'of another', GEMINI_API_KEY: 'of another' },
      'providers.fast.apiKey is missing: set it, or the environment variable FAST_API_KEY',
    );
  }
  fails(
    { providers: { google: { type: 'google' } } },
    {},
    'providers.google.apiKey is missing: set it, or the environment variable GOOGLE_API_KEY or GEMINI_API_KEY',
  );
});

test('an API key from the environment that no header can carry is refused without printing it', () => {
  fails(
    { providers: { groq: { type: 'groq' } } },
    { GROQ_API_KEY: 'sk-secret\n' },
    'providers.groq.apiKey must be printable ASCII without spaces, but GROQ_API_KEY holds something else',
  );
});

test('without providers, the API keys of the environment decide', () => {
  const names = (environment: Record<string, string>) => Object.keys(parseConfig({}, environment).providers);
  assert.deepEqual(names({}), ['echo']);
  assert.deepEqual(names({ GROQ_API_KEY: '' }), ['echo']);
  assert.deepEqual(names({ GROQ_API_KEY: 'x', CEREBRAS_API_KEY: 'x' }), ['groq', 'cerebras']);
  assert.deepEqual(names({ OPENAI_API_KEY: 'x', OPENROUTER_API_KEY: 'x' }), ['openai', 'openrouter']);
  assert.deepEqual(names({ GOOGLE_API_KEY: 'x' }), ['google']);
  const { google } = parseConfig({}, { GEMINI_API_KEY: 'gem' }).providers;
  assert.equal(google?.apiKey, 'gem');
  assert.equal(google?.baseUrl, 'https://generativelanguage.googleapis.com/v1beta/openai');
});

test('the real environment is the default', () => {
  const { PATH } = process.env;
  assert.ok(PATH);
  assert.equal(parseConfig({ server: { host: '${PATH}' } }).server.host, PATH);
});
