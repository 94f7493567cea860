/**
 * What an upload of 30 MB adds to the memory of the gateway's process, looked at while it passes. Linux only: the numbers are
 * the kernel's own (`VmRSS`, and `VmHWM`, its peak, which is started anew for each round).
 *
 *     npm run build && node --import tsx bench/upload-memory.ts [--rounds 6] [--megabytes 30] [--cli dist/src/cli.js]
 */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { busyMeter, machine, type Parties, quantile, startParties } from './processes.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '6' },
    megabytes: { type: 'string', default: '30' },
    cli: { type: 'string' },
  },
});
const MB = 1024 * 1024;
const SMALL_REQUESTS = 300;
const SAMPLE_MS = 3;
/** Between rounds, for what a round leaves behind to be given back. */
const REST_MS = 1500;

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const piece = Buffer.from(Array.from({ length: 64 * 1024 }, (_, index) => (index * 31) % 256));

async function answered(outgoing: ReturnType<typeof request>): Promise<string> {
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  for await (const part of answer.setEncoding('utf8')) text += part;
  if (answer.statusCode !== 200) throw new Error(`answered ${answer.statusCode}: ${text}`);
  return text;
}

async function chat(url: string): Promise<void> {
  const messages = [{ role: 'user', content: 'Hello' }];
  const body = JSON.stringify({ model: 'main/bench', messages, stream: true, max_tokens: 2 });
  const headers = { 'content-type': 'application/json' };
  const outgoing = request(`${url}/chat/completions`, { method: 'POST', headers, agent });
  outgoing.end(body);
  await answered(outgoing);
}

/** Sends a form with a file of so many bytes, as fast as it is taken; the model comes last, as some clients put it. */
async function upload(url: string, bytes: number): Promise<void> {
  const head = '--x\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n';
  const tail = '\r\n--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nmain/bench\r\n--x--\r\n';
  const outgoing = request(`${url}/audio/transcriptions`, {
    method: 'POST',
    headers: {
      'content-type': 'multipart/form-data; boundary=x',
      'content-length': head.length + bytes + tail.length,
    },
    agent,
  });
  const answer = answered(outgoing);
  outgoing.write(head);
  for (let left = bytes; left > 0; left -= piece.length) {
    if (!outgoing.write(piece.subarray(0, left))) await once(outgoing, 'drain');
  }
  outgoing.end(tail);
  const { text } = JSON.parse(await answer);
  if (!(Number(text) > bytes)) throw new Error(`the upstream got ${text} bytes`);
}

/** The gateway's resident memory now, and the most there was since `restart`, in bytes. */
function memoryOf(pid: number) {
  const read = (name: string): number => {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(found?.[1]) * 1024;
  };
  return {
    now: () => read('VmRSS'),
    peak: () => read('VmHWM'),
    // proc(5): 5 resets the peak to what is resident now.
    restart: () => writeFileSync(`/proc/${pid}/clear_refs`, '5'),
  };
}

async function measure({ gateway, pid }: Parties): Promise<string> {
  const memory = memoryOf(pid);
  const before = memory.now();
  memory.restart();
  const busy = busyMeter();
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(memory.now()), SAMPLE_MS);
  const started = performance.now();
  await upload(gateway, Number(values.megabytes) * MB);
  const took = performance.now() - started;
  clearInterval(timer);
  const peak = memory.peak();
  await pause(REST_MS);
  const mb = (bytes: number) => (bytes / MB).toFixed(1);
  const grown = (to: number) => `${to < before ? '' : '+'}${mb(to - before)}`.padStart(6);
  return [
    `before ${mb(before)}`,
    `peak ${grown(peak)}`,
    `highest ${grown(Math.max(...samples))} and median ${grown(quantile(samples, 0.5))} of ${samples.length} samples`,
    `afterwards ${grown(memory.now())}`,
    `took ${took.toFixed(0)} ms, machine ${busy()} % busy`,
  ].join('   ');
}

const parties = await startParties(values.cli);
try {
  for (let index = 0; index < SMALL_REQUESTS; index++) await chat(parties.gateway);
  await upload(parties.gateway, MB);
  await pause(REST_MS);
  console.log(`${machine()}\n${values.megabytes} MB a round; resident memory of the gateway in MB`);
  for (let round = 1; round <= Number(values.rounds); round++) {
    console.log(`round ${round}   ${await measure(parties)}`);
  }
  console.log(machine());
} finally {
  await parties.stop();
}
process.exit();
