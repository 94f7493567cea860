import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Durability } from '../../src/db/schedule.js';

/** A gateway in a process of its own. */
export interface Child {
  url: string;
  process: ChildProcess;
  /** From the start of the process until it listens, in milliseconds. */
  bootMs: number;
}

/** An answer that its client has read to the end. */
export interface Received {
  id: string;
  status: number;
  /** When the last byte was read. Epoch milliseconds. */
  at: number;
}

const host = fileURLToPath(new URL('./host.ts', import.meta.url));

/** Starts the gateway, as another user if `uid` is given; resolves when it listens. */
export async function startChild(path: string, durability: Durability, uid?: number): Promise<Child> {
  const started = performance.now();
  const child = spawn(process.execPath, ['--import', 'tsx', host, path, durability], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...(uid !== undefined && { uid }),
  });
  const [line] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`The gateway ended with ${code} before it listened.`);
    }),
  ]);
  return { url: String(line).trim(), process: child, bootMs: performance.now() - started };
}

/** Ends the process without a chance to save anything. */
export async function kill({ process }: Child): Promise<void> {
  const exit = once(process, 'exit');
  process.kill('SIGKILL');
  await exit;
}

const chat = JSON.stringify({ model: 'echo/echo', messages: [{ role: 'user', content: 'What is kept?' }] });

/** What `hammer` does. */
export interface Load {
  connections: number;
  /** At most this many requests a second; as many as the connections carry when it is left out. */
  perSecond?: number;
  onAnswer(answer: Received): void;
}

/** Sends requests until the gateway is gone. */
export async function hammer(url: string, { connections, perSecond, onAnswer }: Load): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const started = performance.now();
  let sent = 0;
  const client = async () => {
    for (;;) {
      sent += 1;
      const early = perSecond === undefined ? 0 : started + (sent * 1000) / perSecond - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      const received = await ask(url, agent);
      if (received === null) return;
      onAnswer(received);
    }
  };
  await Promise.all(Array.from({ length: connections }, client));
  agent.destroy();
}

/** One exchange; null when the connection broke before the answer was whole. */
export function ask(url: string, agent?: Agent): Promise<Received | null> {
  return new Promise((resolve) => {
    const outgoing = request(
      `${url}/v1/chat/completions`,
      { method: 'POST', ...(agent && { agent }), headers: { 'content-type': 'application/json' } },
      (response) => {
        response.resume();
        response.on('error', () => resolve(null));
        response.on('close', () => {
          const id = String(response.headers['x-request-id']);
          if (response.complete) resolve({ id, status: response.statusCode ?? 0, at: Date.now() });
          else resolve(null);
        });
      },
    );
    outgoing.on('error', () => resolve(null));
    outgoing.end(chat);
  });
}
