import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { estimateUsage } from '../../src/upstream/estimate.js';

const CHAT = '/chat/completions';

function input(path: string, body: unknown): number {
  const tokens = estimateUsage(path, body, 0)?.inputUncached;
  assert.ok(typeof tokens === 'number');
  return tokens;
}

function within(actual: number, expected: number, name: string): void {
  assert.ok(Math.abs(actual - expected) <= expected * 0.35, `${name}: ${actual}, and really ${expected}`);
}

/** OpenAI, "Hello GPT-4o" (May 2024): tokens with o200k. */
const HELLO: [language: string, tokens: number, text: string][] = [
  ['Marathi', 33, 'नमस्कार, माझे नाव जीपीटी-4o आहे| मी एक नवीन प्रकारची भाषा मॉडेल आहे| तुम्हाला भेटून आनंद झाला!'],
  ['Hindi', 31, 'नमस्ते, मेरा नाम जीपीटी-4o है। मैं एक नए प्रकार का भाषा मॉडल हूँ। आपसे मिलकर अच्छा लगा!'],
  ['Urdu', 33, 'ہیلو، میرا نام جی پی ٹی-4o ہے۔ میں ایک نئے قسم کا زبان ماڈل ہوں، آپ سے مل کر اچھا لگا!'],
  ['Arabic', 26, 'مرحبًا، اسمي جي بي تي-4o. أنا نوع جديد من نموذج اللغة، سررت بلقائك!'],
  ['Russian', 23, 'Привет, меня зовут GPT-4o. Я — новая языковая модель, приятно познакомиться!'],
  [
    'Korean',
    27,
    '안녕하세요, 제 이름은 GPT-4o입니다. 저는 새로운 유형의 언어 모델입니다, 만나서 반갑습니다!',
  ],
  [
    'Vietnamese',
    30,
    'Xin chào, tên tôi là GPT-4o. Tôi là một loại mô hình ngôn ngữ mới, rất vui được gặp bạn!',
  ],
  ['Chinese', 24, '你好，我的名字是GPT-4o。我是一种新型的语言模型，很高兴见到你!'],
  ['Japanese', 26, 'こんにちは、私の名前はGPT-4oです。私は新しいタイプの言語モデルです。初めまして！'],
  ['Turkish', 30, 'Merhaba, benim adım GPT-4o. Ben yeni bir dil modeli türüyüm, tanıştığımıza memnun oldum!'],
  [
    'German',
    29,
    'Hallo, mein Name is GPT-4o. Ich bin ein neues KI-Sprachmodell. Es ist schön, dich kennenzulernen.',
  ],
  [
    'French',
    28,
    "Bonjour, je m'appelle GPT-4o. Je suis un nouveau type de modèle de langage, c'est un plaisir de vous rencontrer!",
  ],
  ['English', 24, "Hello, my name is GPT-4o. I'm a new type of language model, it's nice to meet you!"],
];

test('a sentence has about as many tokens as GPT-4o makes of it, in every script', () => {
  for (const [language, tokens, prompt] of HELLO) within(input('/completions', { prompt }), tokens, language);
});

/** OpenAI cookbook, "How to count tokens with tiktoken": requests, and `prompt_tokens` of gpt-4o. */
test('a chat has about as many tokens as OpenAI counts for gpt-4o', () => {
  const message = (role: string, content: string, name?: string) => ({
    role,
    content,
    ...(name ? { name } : {}),
  });
  const messages = [
    message(
      'system',
      'You are a helpful, pattern-following assistant that translates corporate jargon into plain English.',
    ),
    message('system', 'New synergies will help drive top-line growth.', 'example_user'),
    message('system', 'Things working well together will increase revenue.', 'example_assistant'),
    message(
      'system',
      "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
      'example_user',
    ),
    message('system', "Let's talk later when we're less busy about how to do better.", 'example_assistant'),
    message('user', "This late pivot means we don't have time to boil the ocean for the client deliverable."),
  ];
  within(input(CHAT, { messages }), 124, 'jargon');
});

test('a chat with a tool has about as many tokens as OpenAI counts for gpt-4o', () => {
  const messages = [
    {
      role: 'system',
      content: 'You are a helpful assistant that can answer to questions about the weather.',
    },
    { role: 'user', content: "What's the weather like in San Francisco?" },
  ];
  const properties = {
    location: { type: 'string', description: 'The city and state, e.g. San Francisco, CA' },
    unit: {
      type: 'string',
      description: 'The unit of temperature to return',
      enum: ['celsius', 'fahrenheit'],
    },
  };
  const definition = {
    name: 'get_current_weather',
    description: 'Get the current weather in a given location',
    parameters: { type: 'object', properties, required: ['location'] },
  };
  within(input(CHAT, { messages, tools: [{ type: 'function', function: definition }] }), 101, 'tools');
  within(input(CHAT, { messages, functions: [definition] }), 101, 'functions');
  within(
    input('/responses', { input: messages, tools: [{ type: 'function', ...definition }] }),
    101,
    'responses',
  );
});

test('an emoji counts two tokens', () => {
  assert.equal(input('/completions', { prompt: '🙂🚀' }), 4);
});

test('the output is a quarter of its bytes, and an embedding has none', () => {
  const unknown = {
    cacheRead: null,
    cacheWrite: null,
    reasoning: null,
    audioInput: null,
    audioOutput: null,
    providerCostNano: null,
  };
  assert.deepEqual(estimateUsage('/completions', { prompt: 'Say this is a test' }, 41), {
    ...unknown,
    inputUncached: 5,
    outputText: 11,
  });
  assert.deepEqual(estimateUsage('/embeddings', { input: 'four' }, 9999), {
    ...unknown,
    inputUncached: 1,
    outputText: null,
  });
});

test('only endpoints that read or write text are estimated', () => {
  for (const path of [
    '/moderations',
    '/images/generations',
    '/audio/speech',
    '/files',
    '',
    '/v1/completions',
  ]) {
    assert.equal(estimateUsage(path, { input: 'text', prompt: 'text' }, 10), null, path);
  }
});

const WORDS = 'A text of forty bytes, neither less, nor';

test('a text counts wherever it stands in a request', () => {
  assert.equal(WORDS.length, 40);
  const text = { type: 'text', text: WORDS };
  const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: WORDS } };
  const chats: [object, number][] = [
    [{ role: 'user', content: WORDS }, 10],
    [{ role: 'user', content: [text, text] }, 20],
    [{ role: 'assistant', content: null, refusal: WORDS }, 10],
    [{ role: 'assistant', content: '', tool_calls: [call] }, 10.25],
    [{ role: 'tool', tool_call_id: 'call_1', content: WORDS }, 10],
  ];
  for (const [message, tokens] of chats) {
    assert.equal(input(CHAT, { messages: [message] }), Math.ceil(tokens + 6), JSON.stringify(message));
  }
  const responses: [object, number][] = [
    [{ input: WORDS }, 16],
    [{ instructions: WORDS }, 13],
    [{ input: [{ role: 'user', content: WORDS }] }, 16],
    [{ input: [{ role: 'user', content: [{ type: 'input_text', text: WORDS }] }] }, 16],
    [{ input: [{ type: 'function_call', call_id: 'c', name: 'name', arguments: WORDS }] }, 17],
    [{ input: [{ type: 'function_call_output', call_id: 'c', output: WORDS }] }, 16],
    [
      {
        input: [
          { type: 'function_call_output', call_id: 'c', output: [{ type: 'input_text', text: WORDS }] },
        ],
      },
      16,
    ],
    [{ input: [{ type: 'reasoning', summary: [{ type: 'summary_text', text: WORDS }] }] }, 16],
  ];
  for (const [body, tokens] of responses)
    assert.equal(input('/responses', body), tokens, JSON.stringify(body));
  for (const [path, key] of [
    ['/completions', 'prompt'],
    ['/embeddings', 'input'],
  ] as const) {
    assert.equal(input(path, { [key]: WORDS }), 10);
    assert.equal(input(path, { [key]: [WORDS, WORDS] }), 20);
    assert.equal(input(path, { [key]: [1, 2, 3] }), 3, 'token numbers are tokens');
    assert.equal(input(path, { [key]: [[1, 2, 3], [4]] }), 4);
  }
});

test('the schema of an answer counts', () => {
  const schema = { type: 'object', properties: { city: { type: 'string', description: WORDS } } };
  const json_schema = { name: 'name', schema };
  const bare = input(CHAT, { messages: [] });
  assert.ok(
    input(CHAT, { messages: [], response_format: { type: 'json_schema', json_schema } }) >= bare + 12,
  );
  const text = { format: { type: 'json_schema', name: 'name', schema } };
  assert.ok(input('/responses', { input: '', text }) >= input('/responses', { input: '' }) + 12);
});

test('an image counts 85 tokens, however large it is, and audio and files count nothing', () => {
  const base64 = 'A'.repeat(1_000_000);
  const url = `data:image/png;base64,${base64}`;
  const chat = (part: object) => input(CHAT, { messages: [{ role: 'user', content: [part] }] });
  assert.equal(chat({ type: 'image_url', image_url: { url, detail: 'high' } }), 91);
  assert.equal(chat({ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }), 91);
  assert.equal(chat({ type: 'input_audio', input_audio: { data: base64, format: 'wav' } }), 6);
  assert.equal(chat({ type: 'file', file: { filename: 'a.pdf', file_data: url } }), 6);
  const response = (item: object) => input('/responses', { input: [item] });
  assert.equal(response({ role: 'user', content: [{ type: 'input_image', image_url: url }] }), 91);
  assert.equal(
    response({ type: 'computer_call_output', output: { type: 'computer_screenshot', image_url: url } }),
    91,
  );
  assert.equal(
    response({ role: 'user', content: [{ type: 'input_file', filename: 'a.pdf', file_data: url }] }),
    6,
  );
  assert.equal(response({ type: 'reasoning', summary: [], encrypted_content: base64 }), 6);
  assert.equal(response({ type: 'image_generation_call', result: base64 }), 6);
});

test('no request makes it throw, and the count is a whole number', () => {
  const path = fc.constantFrom(CHAT, '/completions', '/responses', '/embeddings');
  const body = fc.oneof(
    fc.jsonValue(),
    fc.record({
      messages: fc.jsonValue(),
      input: fc.jsonValue(),
      prompt: fc.jsonValue(),
      tools: fc.jsonValue(),
    }),
  );
  fc.assert(
    fc.property(path, body, (endpoint, request) => {
      const tokens = input(endpoint, request);
      assert.ok(Number.isSafeInteger(tokens) && tokens >= 0);
    }),
  );
});

test('a request that is nested without end is not followed to its end', () => {
  const nested = (key: string) => JSON.parse(`${`{"${key}":`.repeat(5000)}1${'}'.repeat(5000)}`);
  assert.equal(input(CHAT, { messages: [nested('content')] }), 6);
  assert.ok(input(CHAT, { messages: [], tools: [nested('items')] }) < 100);
});

test('100 kB of text cost less than a millisecond', () => {
  for (const text of ['word '.repeat(20_000), '语言'.repeat(16_667), 'é a '.repeat(20_000)]) {
    const body = { messages: [{ role: 'user', content: text }] };
    const costs = Array.from({ length: 50 }, () => {
      const start = performance.now();
      estimateUsage(CHAT, body, 0);
      return performance.now() - start;
    });
    assert.ok(Math.min(...costs) < 1, `${Math.min(...costs)} ms`);
  }
});
