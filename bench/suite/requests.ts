import type { Script } from './answers.js';

/** Where requests go and what has to be in them. */
export interface Destination {
  readonly port: number;
  readonly path: string;
  readonly headers: readonly string[];
}

/** What is asked for: a model, an answer, and how large the request's body is. Bytes. */
export interface Question {
  readonly model: string;
  readonly script: Script;
  readonly bytes: number;
}

/** A message of a conversation; longer bodies have more of them. */
const MESSAGE_BYTES = 1500;
const TEXT = 'The quick brown fox jumps over the lazy dog,\nand "nobody" asks why it did.\n';

/** A chat request, ready to be written to a connection. `id` tells paced streams apart. */
export function requestFor({ path, headers }: Destination, question: Question, id = 0): Buffer {
  const body = bodyOf(question, id);
  const lines = [
    `POST ${path} HTTP/1.1`,
    'host: 127.0.0.1',
    'connection: keep-alive',
    'accept: application/json',
    'user-agent: llm-gateway-bench',
    'content-type: application/json',
    ...headers,
    `content-length: ${body.length}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1');
}

export function getRequest({ headers }: Destination, path: string): Buffer {
  return Buffer.from([`GET ${path} HTTP/1.1`, 'host: 127.0.0.1', ...headers, '', ''].join('\r\n'), 'latin1');
}

function bodyOf({ model, script, bytes }: Question, id: number): string {
  const word = `@${script.kind}${script.size}${script.kind === 'paced' ? `:${id}` : ''} `;
  const stream = script.kind !== 'json';
  const make = (contents: readonly string[]) =>
    JSON.stringify({
      model,
      messages: contents.map((content, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content })),
      temperature: 0.7,
      ...(stream && { stream }),
    });
  const contents = [word];
  while (bytes - make(contents).length > 2 * MESSAGE_BYTES) contents.push(textOf(MESSAGE_BYTES));
  const last = contents.length - 1;
  const missing = Math.max(0, bytes - make(contents).length);
  contents[last] = `${contents[last]}${textOf(missing)}`;
  // Escaping has made it too long again.
  const surplus = make(contents).length - bytes;
  if (surplus > 0) contents[last] = (contents[last] ?? '').slice(0, -surplus);
  const body = make(contents);
  return body + ' '.repeat(Math.max(0, bytes - body.length));
}

function textOf(length: number): string {
  return TEXT.repeat(Math.ceil(length / TEXT.length)).slice(0, length);
}
