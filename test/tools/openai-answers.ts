/**
 * Writes test/fixtures/openai-answers.jsonl, what an upstream that keeps to OpenAI's API answers: one line for each
 * operation of OpenAI's published specification (github.com/openai/openai-openapi, openapi.yaml). Run by hand:
 *
 *   node --import tsx test/tools/openai-answers.ts <path of openapi.yaml>
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { OperationAnswer } from '../helpers/openai-api.js';
import { eventsOf } from './openai-events.js';
import { createExamples, isObject, type Json, type Schema } from './openai-schema.js';

interface Operation {
  responses?: Record<string, { content?: Record<string, { schema?: Schema }> }>;
}
interface Specification {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

const methods = new Set(['get', 'post', 'put', 'patch', 'delete']);
/** Every byte there is. */
const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index)).toString('base64');

const file = process.argv[2];
if (file === undefined) throw new Error('Say where openapi.yaml is.');
const specification: Specification = parse(readFileSync(file, 'utf8'));
const { schemas } = specification.components;
const limits = { optionalDepth: 3, depth: 4 };
const fresh = createExamples(schemas, { ...limits, errors: false });
const stored = createExamples(schemas, { ...limits, errors: true });
const streamed = createExamples(schemas, { optionalDepth: 2, depth: 3, errors: false });

const lines = Object.entries(specification.paths).flatMap(([path, operations]) =>
  Object.entries(operations)
    .filter(([method]) => methods.has(method))
    .map(([method, operation]) => JSON.stringify(answerOf(`${method.toUpperCase()} ${path}`, operation))),
);
writeFileSync(new URL('../fixtures/openai-answers.jsonl', import.meta.url), `${lines.join('\n')}\n`);

function answerOf(operation: string, { responses = {} }: Operation): OperationAnswer {
  const status = Object.keys(responses).find((code) => code.startsWith('2')) ?? '200';
  const content = responses[status]?.content ?? {};
  const json = content['application/json']?.schema;
  const answer: OperationAnswer = { operation, status: Number(status) };
  const events = eventsOf(operation, content['text/event-stream']?.schema, streamed);
  if (events !== null) answer.events = events;

  const other = Object.keys(content).find(
    (type) => type !== 'application/json' && type !== 'text/event-stream',
  );
  // A download is declared as bytes, as a JSON string, or as nothing at all.
  const download = operation.startsWith('GET ') && operation.endsWith('/content') && json?.$ref === undefined;
  if (other !== undefined || download) {
    return { ...answer, bytes, type: other ?? 'application/octet-stream' };
  }
  if (json !== undefined) {
    const created = operation.startsWith('POST ');
    answer.json = paged(asJson(operation, (created ? fresh : stored).of(json)));
  }
  return answer;
}

/** A first page: its items have ids of their own, and another page follows. */
function paged(answer: Json): Json {
  const { data } = answer;
  if (!Array.isArray(data) || !('has_more' in answer)) return answer;
  const items = data.map((item, index) =>
    isObject(item) && typeof item.id === 'string' ? { ...item, id: `${item.id}-${index + 1}` } : item,
  );
  const made: Json = { ...answer, data: items, has_more: true };
  const [first, last] = [items.at(0)?.id ?? 'first-item', items.at(-1)?.id ?? 'last-item'];
  if ('first_id' in answer) made.first_id = first;
  if ('last_id' in answer) made.last_id = last;
  if ('next' in answer) made.next = last;
  return made;
}

function asJson(operation: string, value: unknown): Json {
  if (!isObject(value)) throw new Error(`${operation} does not answer with an object.`);
  return value;
}
