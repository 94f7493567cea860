import OpenAI from 'openai';
import type { Call } from './call.js';

/** A response as it came over the wire. */
export interface WireAnswer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** What came of a call: what the client made of it, and the response, or several where there are more pages. */
export interface Outcome {
  result: unknown;
  answers: WireAnswer[];
}

export interface ClientOptions {
  baseURL: string;
  apiKey: string;
  adminAPIKey: string;
  headers?: Record<string, string>;
}

/** Makes calls with the official client, and keeps every response beside what the client makes of it. */
export function createCaller({ headers = {}, ...options }: ClientOptions): (call: Call) => Promise<Outcome> {
  let answers: Promise<WireAnswer>[] = [];
  const client = new OpenAI({
    ...options,
    organization: 'org-of-the-caller',
    project: 'proj-of-the-caller',
    defaultHeaders: headers,
    maxRetries: 0,
    async fetch(url, init) {
      const response = await fetch(url, init);
      // The client asks a `data:` URL what the platform can do.
      if (response.url.startsWith('http')) answers.push(readCopy(response.clone()));
      return response;
    },
  });
  return async (call) => {
    answers = [];
    const result = await settle(invoke(client, call)).catch(errorOf);
    return { result, answers: await Promise.all(answers) };
  };
}

/** An error that the server has answered with is an outcome like any other. */
function errorOf(error: unknown): unknown {
  if (!(error instanceof OpenAI.APIError) || error.status === undefined) throw error;
  const { name, status, message, code, param, type } = error;
  return { name, status, message, code, param, type, body: error.error };
}

async function readCopy(response: Response): Promise<WireAnswer> {
  const { status, headers } = response;
  return { status, headers: Object.fromEntries(headers), body: Buffer.from(await response.arrayBuffer()) };
}

function invoke(client: OpenAI, { method, args }: Call): unknown {
  const path = method.split('.');
  const name = path.pop() ?? '';
  const owner = path.reduce<unknown>((object, key) => member(object, key), client);
  const found = member(owner, name);
  if (typeof found !== 'function') throw new Error(`The client has no method ${method}.`);
  return Reflect.apply(found, owner, args);
}

function member(object: unknown, key: string): unknown {
  return typeof object === 'object' && object !== null ? Reflect.get(object, key) : undefined;
}

/** Everything that a call gives: all events of a stream, all pages of a list, the bytes of a download. */
async function settle(given: unknown): Promise<unknown> {
  const value = await given;
  if (value instanceof Response) return Buffer.from(await value.arrayBuffer());
  if (isPage(value)) {
    const pages: unknown[] = [];
    for await (const page of value.iterPages()) {
      pages.push(page.getPaginatedItems());
      if (pages.length > 2) throw new Error('The list has no end: the cursor did not arrive.');
    }
    return pages;
  }
  if (!isIterable(value)) return value;
  const events: unknown[] = [];
  for await (const event of value) events.push(event);
  return events;
}

interface AnyPage {
  getPaginatedItems(): unknown[];
  iterPages(): AsyncIterable<AnyPage>;
}

function isPage(value: unknown): value is AnyPage {
  return typeof value === 'object' && value !== null && 'iterPages' in value && 'getPaginatedItems' in value;
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
