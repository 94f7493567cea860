import { isRecord } from '../stream/json.js';

type Body = Record<string, unknown>;

const GREETING = 'Hello from echo.';

/** A `chat.completion` that repeats the last user message. */
export function completion(body: Body, id: string, created: number) {
  const reply = replyTo(body);
  return {
    id,
    object: 'chat.completion',
    created,
    model: modelOf(body),
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: reply.words.join(''), refusal: null },
        logprobs: null,
        finish_reason: reply.finishReason,
      },
    ],
    usage: usageOf(body, reply.words.length),
  };
}

/** The same answer as the server-sent events of a stream: what precedes the words, one per word, what follows. */
export function completionEvents(body: Body, id: string, created: number) {
  const reply = replyTo(body);
  const withUsage = isRecord(body.stream_options) && body.stream_options.include_usage === true;
  const frame = (choices: unknown[], usage: unknown = null): string => {
    const chunk = { id, object: 'chat.completion.chunk', created, model: modelOf(body), choices };
    return `data: ${JSON.stringify(withUsage ? { ...chunk, usage } : chunk)}\n\n`;
  };
  const choice = (delta: unknown, finishReason: string | null): unknown[] => [
    { index: 0, delta, logprobs: null, finish_reason: finishReason },
  ];
  const after = [frame(choice({}, reply.finishReason))];
  if (withUsage) after.push(frame([], usageOf(body, reply.words.length)));
  after.push('data: [DONE]\n\n');
  return {
    before: frame(choice({ role: 'assistant', content: '' }, null)),
    words: reply.words.map((content) => frame(choice({ content }, null))),
    after,
  };
}

function replyTo(body: Body): { words: string[]; finishReason: 'stop' | 'length' } {
  const words = splitWords(lastUserText(body) ?? GREETING);
  const limit = limitOf(body.max_completion_tokens) ?? limitOf(body.max_tokens);
  if (limit === null || words.length <= limit) return { words, finishReason: 'stop' };
  return { words: words.slice(0, limit), finishReason: 'length' };
}

function lastUserText(body: Body): string | null {
  const last = messagesOf(body).findLast((message) => message.role === 'user');
  const text = textOf(last?.content);
  return text.trim() === '' ? null : text;
}

/** Words with the white space around them, so that joined they are the text. */
function splitWords(text: string): string[] {
  const words: string[] = text.match(/\S+\s*/g) ?? [];
  const [first, ...rest] = words;
  if (first === undefined) return [];
  return [text.slice(0, text.length - text.trimStart().length) + first, ...rest];
}

function usageOf(body: Body, answered: number) {
  const asked = messagesOf(body).reduce((sum, { content }) => sum + splitWords(textOf(content)).length, 0);
  return { prompt_tokens: asked, completion_tokens: answered, total_tokens: asked + answered };
}

function messagesOf(body: Body): Body[] {
  return Array.isArray(body.messages) ? body.messages.filter(isRecord) : [];
}

/** A message's text, whether its content is a string or a list of parts. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part) => (isRecord(part) && typeof part.text === 'string' ? part.text : '')).join('');
}

function modelOf(body: Body): string {
  return typeof body.model === 'string' ? body.model : 'echo';
}

function limitOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : null;
}
