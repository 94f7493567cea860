import { isRecord, recordOf, textOf } from '../stream/json.js';
import type { Usage } from '../stream/usage.js';
import { countTokens } from './token-count.js';

/** What OpenAI documents for an image of low detail; one of high detail takes 255 to 1445, which its size decides. */
const IMAGE_TOKENS = 85;
/** Around each chat message, and ahead of the answer (OpenAI cookbook, "How to count tokens with tiktoken"). */
const MESSAGE_TOKENS = 3;
const ANSWER_TOKENS = 3;
/** For each tool: 7 before it and 12 behind the last one, in the same place. */
const TOOL_TOKENS = 7;
const TOOLS_TOKENS = 12;
/** Bytes of generated text per token; see `countTokens` for how far that carries. */
const OUTPUT_BYTES = 4;
/** Levels of a request that are looked into. A message with its parts has four, the schema of a tool may have many. */
const DEPTH = 24;

/** The keys whose strings a model reads. What is beside them is ids, roles, addresses, and base64. */
const TEXT = new Set([
  'text',
  'content',
  'refusal',
  'name',
  'arguments',
  'output',
  'input',
  'summary',
  'reasoning',
  'reasoning_content',
]);
const IMAGES = new Set(['image_url', 'input_image', 'computer_screenshot']);
/** The words of a tool's definition that a model does not read as such: OpenAI's models are shown something shorter. */
const STRUCTURE = new Set([
  'type',
  'function',
  'name',
  'description',
  'parameters',
  'properties',
  'items',
  'enum',
  'anyOf',
  'schema',
]);
/** Left out with what they say. */
const LEFT_OUT = new Set(['required', 'additionalProperties', 'strict', '$schema']);

type Fields = Record<string, unknown>;

const INPUT = new Map<string, (body: Fields) => number>([
  ['/chat/completions', chatTokens],
  ['/completions', (body) => promptTokens(body.prompt)],
  ['/embeddings', (body) => promptTokens(body.input)],
  ['/responses', responseTokens],
]);

/**
 * What an exchange probably used, for an upstream that does not say. Null for an endpoint that neither reads nor
 * writes text. All input counts as uncached and all output as visible text; an embedding has no output.
 *
 * No tokenizer: the error is that of `countTokens`, and grows with what is no text. An image counts 85 tokens however
 * large it is, audio and files count nothing, and what the upstream adds to a request is unknown.
 *
 * Cost for a request with 100 kB of text: 0.02 ms when it is ASCII, 0.2 ms when it is not.
 *
 * @param path below `/v1`: `/chat/completions`
 * @param body the parsed request
 * @param outputBytes of generated text, in UTF-8
 *
 * @example
 * estimateUsage('/completions', { prompt: 'Say this is a test' }, 40);
 * // inputUncached 5, outputText 10, the rest null
 */
export function estimateUsage(path: string, body: unknown, outputBytes: number): Usage | null {
  const inputTokens = INPUT.get(path);
  if (inputTokens === undefined) return null;
  return {
    inputUncached: Math.ceil(inputTokens(recordOf(body))),
    cacheRead: null,
    cacheWrite: null,
    outputText: path === '/embeddings' ? null : Math.ceil(outputBytes / OUTPUT_BYTES),
    reasoning: null,
    audioInput: null,
    audioOutput: null,
    providerCostNano: null,
  };
}

function chatTokens(body: Fields): number {
  const messages = listOf(body.messages);
  return (
    contentTokens(messages, DEPTH) +
    messages.length * MESSAGE_TOKENS +
    ANSWER_TOKENS +
    toolTokens(body.tools) +
    toolTokens(body.functions) +
    schemaTokens(recordOf(body.response_format).json_schema, DEPTH)
  );
}

function responseTokens(body: Fields): number {
  const items = listOf(body.input);
  return (
    countTokens(textOf(body.instructions) ?? '') +
    (typeof body.input === 'string' ? countTokens(body.input) + MESSAGE_TOKENS : 0) +
    contentTokens(items, DEPTH) +
    items.length * MESSAGE_TOKENS +
    ANSWER_TOKENS +
    toolTokens(body.tools) +
    schemaTokens(recordOf(recordOf(body.text).format).schema, DEPTH)
  );
}

/** One text, one list of token numbers, or a list of either. */
function promptTokens(prompt: unknown): number {
  if (typeof prompt === 'string') return countTokens(prompt);
  return listOf(prompt).reduce<number>((sum, part) => {
    if (typeof part === 'number') return sum + 1;
    return sum + (typeof part === 'string' ? countTokens(part) : listOf(part).length);
  }, 0);
}

/** The texts of messages and items, and an allowance for each image among them. */
function contentTokens(value: unknown, depth: number): number {
  if (depth === 0) return 0;
  if (Array.isArray(value)) {
    return value.reduce<number>((sum, part) => sum + contentTokens(part, depth - 1), 0);
  }
  if (!isRecord(value)) return 0;
  if (typeof value.type === 'string' && IMAGES.has(value.type)) return IMAGE_TOKENS;
  let tokens = 0;
  for (const [key, part] of Object.entries(value)) {
    if (typeof part !== 'string') tokens += contentTokens(part, depth - 1);
    else if (TEXT.has(key)) tokens += countTokens(part);
  }
  return tokens;
}

function toolTokens(tools: unknown): number {
  const list = listOf(tools);
  if (list.length === 0) return 0;
  return schemaTokens(list, DEPTH) + list.length * TOOL_TOKENS + TOOLS_TOKENS;
}

/** Every string of a definition, and the names of its properties. */
function schemaTokens(value: unknown, depth: number): number {
  if (typeof value === 'string') return countTokens(value);
  if (depth === 0 || typeof value !== 'object' || value === null) return 0;
  if (Array.isArray(value))
    return value.reduce<number>((sum, part) => sum + schemaTokens(part, depth - 1), 0);
  let tokens = 0;
  for (const [key, part] of Object.entries(value)) {
    if (LEFT_OUT.has(key)) continue;
    if (!STRUCTURE.has(key)) tokens += countTokens(key);
    tokens += schemaTokens(part, depth - 1);
  }
  return tokens;
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
