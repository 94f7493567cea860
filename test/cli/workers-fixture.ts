import { execFileSync } from 'node:child_process';
import { request } from 'node:http';
import type { TestContext } from 'node:test';
import { type ServedCli, type Setup, serveCli } from './helpers.js';

export const KEY = 'gw-0123456789abcdef';
export const authorization = `Bearer ${KEY}`;

/** An answer, read in full. */
export interface Answered {
  status: number;
  headers: Record<string, unknown>;
  text: string;
}

/** `serve` with several workers. */
export function serveWorkers(
  context: TestContext,
  config: object,
  workers = 4,
  setup: Setup = {},
): Promise<ServedCli> {
  const files = { ...setup.files, 'llm-gateway.json': JSON.stringify(config) };
  return serveCli(context, { ...setup, files }, ['--workers', String(workers)]);
}

/** Sends a request over a connection of its own, so that the workers take turns. */
export function send(
  url: string,
  body?: unknown,
  headers: Record<string, string> = { authorization },
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      agent: false,
    });
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
      response.on('error', reject);
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Sends all of them, so many at a time. */
export async function sendMany(count: number, atOnce: number, one: (index: number) => Promise<Answered>) {
  const answers: Answered[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let index = next++; index < count; index = next++) answers.push(await one(index));
    }),
  );
  return answers;
}

export function countOf(answers: readonly Answered[], status: number): number {
  return answers.filter((answer) => answer.status === status).length;
}

/** The process ids of the workers that run now. */
export function workersOf({ child }: ServedCli): number[] {
  return execFileSync('ps', ['-o', 'pid=', '--ppid', String(child.pid)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(Number);
}

/** Asks until the answer is as it should be. Fails after ten seconds. */
export async function until<Value>(
  ask: () => Promise<Value>,
  isRight: (value: Value) => boolean,
): Promise<Value> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const value = await ask();
    if (isRight(value)) return value;
    if (Date.now() > deadline) throw new Error(`Still ${JSON.stringify(value)} after 10 s.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
