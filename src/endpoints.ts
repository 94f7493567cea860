import Type, { type Static, type TSchema } from 'typebox';
import { plainPath, segmentsOf } from './paths.js';

/**
 * What an endpoint answers when no stream was asked for: JSON that is checked before it leaves, text or JSON, or
 * bytes of some medium. `any`: the gateway knows nothing about it and passes it on.
 */
export type AnswerKind = 'json' | 'text' | 'binary' | 'any';

/** What the gateway knows about an endpoint of OpenAI's API. */
export interface Endpoint {
  /** Below `/v1`, or below a provider's base URL. */
  readonly path: string;
  readonly answer: AnswerKind;
  /** Whether a stream of it reports its usage when `stream_options.include_usage` asks for that. */
  readonly streamUsage: boolean;
  /** Whether it takes a form with files besides JSON. */
  readonly form: boolean;
  /** What the gateway itself needs of a body. Everything else is between the client and the upstream. */
  readonly body: TSchema;
}

const model = Type.String({ minLength: 1, maxLength: 512 });
const stream = Type.Optional(Type.Union([Type.Boolean(), Type.Null()]));
/** OpenAI has a default model here. */
const optional = { model: Type.Optional(Type.Union([model, Type.Null()])), stream };
const required = { model, stream };

function json(path: string, fields: Record<string, TSchema>, more: Partial<Endpoint> = {}): Endpoint {
  return { path, answer: 'json', streamUsage: false, form: false, body: Type.Object(fields), ...more };
}

/** The endpoints that are routed by `model`. */
export const endpoints: readonly Endpoint[] = [
  json(
    '/chat/completions',
    { ...required, messages: Type.Array(Type.Object({}), { minItems: 1 }) },
    { streamUsage: true },
  ),
  json('/completions', required, { streamUsage: true }),
  json('/responses', optional),
  json('/responses/compact', optional),
  json('/responses/input_tokens', optional),
  json('/embeddings', {
    ...required,
    input: Type.Union([Type.String(), Type.Array(Type.Unknown(), { minItems: 1 })]),
  }),
  json('/moderations', optional),
  json('/images/generations', optional),
  json('/images/edits', optional, { form: true }),
  json('/images/variations', optional, { form: true }),
  json('/audio/speech', { ...required, stream_format: Type.Optional(Type.Unknown()) }, { answer: 'binary' }),
  json('/audio/transcriptions', required, { answer: 'text', form: true }),
  json('/audio/translations', required, { answer: 'text', form: true }),
];

/**
 * The endpoint that another spelling of its path means to a server that takes paths less literally: `//chat/completions/`,
 * `/chat%2Fcompletions`. Null when there is none, and for the path as it should be.
 */
export function misspelt(path: string): Endpoint | null {
  const segments = segmentsOf(plainPath(path) ?? path).filter((segment) => segment !== '');
  const plain = `/${segments.join('/')}`.toLowerCase();
  return endpoints.find((endpoint) => endpoint.path === plain && endpoint.path !== path) ?? null;
}

/** Every other path: the gateway does not look inside. */
export function unknownEndpoint(path: string): Endpoint {
  return { path, answer: 'any', streamUsage: false, form: false, body: Type.Unknown() };
}

const routedBody = Type.Object({ ...optional, stream_format: Type.Optional(Type.Unknown()) });

/** A body that was validated by its endpoint's schema. */
export type RoutedBody = Static<typeof routedBody>;

/** Whether the body asks for server-sent events. Speech says so in a field of its own. */
export function asksForStream(body: RoutedBody): boolean {
  return body.stream === true || body.stream_format === 'sse';
}
