import type { SentEvent } from '../helpers/openai-api.js';
import { type Examples, isObject, type Json, type Schema } from './openai-schema.js';

const done: SentEvent = [null, '[DONE]'];

/**
 * The events of an operation that can stream, or null. Where the specification declares no stream, although its text
 * describes one, the schema is named here.
 */
export function eventsOf(
  operation: string,
  declared: Schema | undefined,
  examples: Examples,
): SentEvent[] | null {
  const [method = '', path = ''] = operation.split(' ');
  const beta = path.endsWith('?beta=true') ? 'Beta' : '';
  const bare = path.replace('?beta=true', '');
  if (bare === '/responses' || (method === 'GET' && bare === '/responses/{response_id}')) {
    return responseEvents(examples, `${beta}ResponseStreamEvent`);
  }
  if (method !== 'POST') return null;
  if (bare === '/chat/completions') return chatEvents(examples);
  if (bare === '/completions') return completionEvents(examples);
  if (/\/runs$|\/submit_tool_outputs$/.test(bare) && bare.startsWith('/threads')) return runEvents(examples);
  if (declared === undefined) return null;
  const all = byType(examples, declared);
  const last = [...all.keys()].filter((type) => /\.(done|completed)$/.test(type));
  const named = bare.startsWith('/images/');
  return [...[...all.keys()].filter((type) => !last.includes(type)), ...last].map((type) => [
    named ? type : null,
    all.get(type),
  ]);
}

/** What every chunk repeats. The usage is the upstream's to add, for those who ask for it. */
function chunkOf(examples: Examples, schema: string): Json {
  const { id, object, created, model, system_fingerprint } = asObject(examples.of(examples.schema(schema)));
  return { id, object, created, model, system_fingerprint };
}

function chatEvents(examples: Examples): SentEvent[] {
  const chunk = chunkOf(examples, 'CreateChatCompletionStreamResponse');
  const choice = (delta: Json, finishReason: string | null = null): SentEvent => [
    null,
    { ...chunk, choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }] },
  ];
  return [
    choice({ role: 'assistant', content: '', refusal: null }),
    choice({ content: 'Grüße, ' }),
    choice({ content: '世界 😀' }),
    choice({}, 'stop'),
    done,
  ];
}

function completionEvents(examples: Examples): SentEvent[] {
  const chunk = chunkOf(examples, 'CreateCompletionResponse');
  const choice = (text: string, finishReason: string | null): SentEvent => [
    null,
    { ...chunk, choices: [{ text, index: 0, logprobs: null, finish_reason: finishReason }] },
  ];
  return [choice('Grüße, ', null), choice('世界', null), choice('', 'stop'), done];
}

const opening = [
  'response.created',
  'response.in_progress',
  'response.output_item.added',
  'response.content_part.added',
  'response.output_text.delta',
];
const closing = [
  'response.output_text.done',
  'response.content_part.done',
  'response.output_item.done',
  'response.completed',
];
/** Other ways to end, and what comes before a response that is not queued. */
const elsewhere = ['response.failed', 'response.incomplete', 'response.queued', 'error'];

/** What belongs to other content than text, or is unknown to `responses.stream` of the official client 6.49. */
const misfit = /^response\.(refusal|shell_call|reasoning)/;

/** One event of each other type, in an order in which a client can put the answer together. */
function responseEvents(examples: Examples, schema: string): SentEvent[] {
  const all = byType(examples, examples.schema(schema));
  const given = new Set([...opening, ...closing, ...elsewhere]);
  const between = [...all.keys()].filter((type) => !given.has(type) && !misfit.test(type));
  return [...opening, ...between, ...closing].map((type, sequence) => {
    const event: Json = { ...asObject(all.get(type)), sequence_number: sequence };
    for (const index of ['output_index', 'content_index', 'summary_index']) {
      if (index in event) event[index] = 0;
    }
    if (type === 'response.created') event.response = { ...asObject(event.response), output: [] };
    return [type, event];
  });
}

const runOrder = [
  'thread.created',
  'thread.run.created',
  'thread.run.queued',
  'thread.run.in_progress',
  'thread.run.step.created',
  'thread.run.step.in_progress',
  'thread.message.created',
  'thread.message.in_progress',
  'thread.message.delta',
  'thread.message.completed',
  'thread.run.step.delta',
  'thread.run.step.completed',
  'thread.run.completed',
];

function runEvents(examples: Examples): SentEvent[] {
  const data = new Map<unknown, unknown>();
  for (const variant of examples.variants(examples.schema('AssistantStreamEvent'))) {
    const example = asObject(examples.of(variant));
    data.set(example.event, example.data);
  }
  return [...runOrder.map((name): SentEvent => [name, asObject(data.get(name))]), ['done', '[DONE]']];
}

/** The examples of a union of events, by their `type`. */
function byType(examples: Examples, union: Schema): Map<string, unknown> {
  return new Map(
    examples.variants(union).map((variant) => {
      const event = asObject(examples.of(variant));
      return [String(event.type), event];
    }),
  );
}

function asObject(value: unknown): Json {
  if (!isObject(value)) throw new Error(`An event is not an object: ${JSON.stringify(value)}`);
  return value;
}
