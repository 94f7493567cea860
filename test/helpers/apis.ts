import type OpenAI from 'openai';
import { chatEvents, chunk, completion, done, roleChunk } from './upstream.js';

/** What a client of OpenAI made of an answer. */
export interface Reading {
  text: string;
  /** The answer says of itself that it is over: a finish reason, or a final status. */
  ending: string | null;
}

/** One of OpenAI's generating APIs: an answer in all its forms, and the official client's way to read it. */
export interface Api {
  name: 'chat' | 'responses';
  /** Below `/v1`. */
  path: string;
  /** A request without `model` and `stream`. */
  request: Record<string, unknown>;
  /** A whole answer, its text, and how the client names its ending. */
  answer: Record<string, unknown>;
  text: string;
  ending: string;
  /** The same answer as events: those before any content, the content, and what ends it. */
  announcement: readonly string[];
  content: readonly string[];
  closing: readonly string[];
  /** What of `closing` a client gets that did not ask for its usage. */
  delivered: readonly string[];
  /** One content event, and a whole answer, with this text. */
  delta(text: string): string;
  answerWith(text: string): Record<string, unknown>;
  /** The official client's call for a JSON answer. */
  ask(client: OpenAI, model: string): Promise<Reading>;
  /** The official client's call for a stream. `seen` is filled while it reads, so that it tells what came before an error. */
  stream(client: OpenAI, model: string, seen: Reading): Promise<void>;
}

const messages = [{ role: 'user' as const, content: 'Hi' }];
const stop = chunk({}, 'stop');

export const chatApi: Api = {
  name: 'chat',
  path: '/chat/completions',
  request: { messages },
  answer: completion,
  text: 'Hello there',
  ending: 'stop',
  announcement: [roleChunk],
  content: [chunk({ content: 'Hello' }), chunk({ content: ' there' })],
  closing: chatEvents.slice(3),
  delivered: [stop, done],
  delta: (text) => chunk({ content: text }),
  answerWith: (text) => ({
    ...completion,
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
  }),
  async ask(client, model) {
    const answer = await client.chat.completions.create({ model, messages });
    const [choice] = answer.choices;
    return { text: choice?.message.content ?? '', ending: choice?.finish_reason ?? null };
  },
  async stream(client, model, seen) {
    for await (const part of await client.chat.completions.create({ model, messages, stream: true })) {
      const [choice] = part.choices ?? [];
      seen.text += choice?.delta.content ?? '';
      seen.ending = choice?.finish_reason ?? seen.ending;
    }
  },
};

const item = (text: string) => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text, annotations: [] }],
});

/** A whole answer of the responses API. */
export const response = {
  id: 'resp_1',
  object: 'response',
  created_at: 1_700_000_000,
  status: 'completed',
  error: null,
  incomplete_details: null,
  model: 'test-model-2026',
  output: [item('Hello there')],
  usage: {
    input_tokens: 10,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 2,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 12,
  },
};

/** The response as it is announced, before there is any of it. */
const announced = { ...response, status: 'in_progress', output: [], usage: null };

let sequence = 0;

/** One event of the responses API, which names its type twice. */
export function responseEvent(type: string, fields: Record<string, unknown>): string {
  const data = JSON.stringify({ type, sequence_number: sequence++, ...fields });
  return `event: ${type}\ndata: ${data}\n\n`;
}

const place = { item_id: 'msg_1', output_index: 0, content_index: 0 };
const part = { type: 'output_text', text: '', annotations: [] };

const closing = [
  responseEvent('response.output_text.done', { ...place, text: 'Hello there' }),
  responseEvent('response.content_part.done', { ...place, part: { ...part, text: 'Hello there' } }),
  responseEvent('response.output_item.done', { output_index: 0, item: item('Hello there') }),
  responseEvent('response.completed', { response }),
];

export const responsesApi: Api = {
  name: 'responses',
  path: '/responses',
  request: { input: 'Hi' },
  answer: response,
  text: 'Hello there',
  ending: 'completed',
  announcement: [
    responseEvent('response.created', { response: announced }),
    responseEvent('response.in_progress', { response: announced }),
    responseEvent('response.output_item.added', {
      output_index: 0,
      item: { ...item(''), status: 'in_progress', content: [] },
    }),
    responseEvent('response.content_part.added', { ...place, part }),
  ],
  content: [
    responseEvent('response.output_text.delta', { ...place, delta: 'Hello' }),
    responseEvent('response.output_text.delta', { ...place, delta: ' there' }),
  ],
  closing,
  delivered: closing,
  delta: (text) => responseEvent('response.output_text.delta', { ...place, delta: text }),
  answerWith: (text) => ({ ...response, output: [item(text)] }),
  async ask(client, model) {
    const answer = await client.responses.create({ model, input: 'Hi' });
    return { text: answer.output_text, ending: answer.status ?? null };
  },
  async stream(client, model, seen) {
    for await (const event of await client.responses.create({ model, input: 'Hi', stream: true })) {
      if (event.type === 'response.output_text.delta') seen.text += event.delta;
      if ('response' in event && event.response.status !== 'in_progress')
        seen.ending = event.response.status ?? null;
    }
  },
};

/** The response that the responses API ends with when the model broke down. */
export const failedResponse = {
  ...response,
  status: 'failed',
  error: { code: 'server_error', message: 'The model melted' },
  output: [],
  usage: null,
};

/** The response that stopped at its token limit: an answer, as `finish_reason: length` is one. */
export const incompleteResponse = {
  ...response,
  status: 'incomplete',
  incomplete_details: { reason: 'max_output_tokens' },
};
