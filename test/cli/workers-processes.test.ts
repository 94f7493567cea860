import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readRows } from '../helpers/gateway.js';
import { json, type Script, startUpstream } from '../helpers/upstream.js';
import { type Cli, runCli, startCli } from './helpers.js';
import { type Answered, countOf, send, sendMany, serveWorkers, until, workersOf } from './workers-fixture.js';

const headers = { authorization: 'Bearer gw-web-0123456789' };
const chat = { model: 'main/m', messages: [{ role: 'user', content: 'Hi' }] };
const price = { input: 0, output: 0, request: 0.01 };

function configOf(baseUrl: string): object {
  const limits = { concurrency: 6 };
  return {
    retries: 0,
    keys: [
      {
        name: 'web',
        key: 'gw-web-0123456789',
        scopes: ['proxy', 'read', 'admin'],
        limits,
        budget: { usd: 1000, per: 'total' },
      },
    ],
    providers: { main: { type: 'openai-compatible', baseUrl, limits, models: { m: { price } } } },
  };
}

const text = Array.from({ length: 20 }, (_, index) => `word${index}`).join(' ');
const echo = { drainTimeout: '30s', providers: { echo: { type: 'echo', wordDelay: '40ms' } } };
const stream = { model: 'echo/echo', stream: true, messages: [{ role: 'user', content: text }] };

/** A stream that has begun, and what becomes of it. */
function startStream(url: string): Promise<{ whole: Promise<string> }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${url}/v1/chat/completions`, { method: 'POST', agent: false });
    outgoing.setHeader('content-type', 'application/json');
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      let seen = '';
      const whole = new Promise<string>((done) => {
        response.setEncoding('utf8').on('data', (more: string) => {
          seen += more;
          if (seen.includes('word0')) resolve({ whole });
        });
        response.on('close', () => done(seen));
        response.on('error', () => {});
      });
    });
    outgoing.end(JSON.stringify(stream));
  });
}

test('SIGTERM lets the live streams of all workers finish, writes them down, and exits with 0', async (context) => {
  const served = await serveWorkers(context, echo, 2);
  const pids = workersOf(served);
  assert.equal(pids.length, 2);
  assert.match(served.stdout(), /^llm-gateway listens on \S+ with 2 workers$/m);
  assert.equal(served.stdout().match(/llm-gateway listens on/g)?.length, 1);
  const streams = await Promise.all(Array.from({ length: 6 }, () => startStream(served.url)));
  served.child.kill('SIGTERM');
  for (const { whole } of streams) assert.match(await whole, /word19.*data: \[DONE\]\n\n$/s);
  assert.equal(await served.ended, 0);
  const rows = readRows(served.database, 'SELECT outcome, end_reason FROM exchanges');
  assert.deepEqual(rows, Array(6).fill({ outcome: 'ok', end_reason: 'complete' }));
});

test('who keeps signalling ends all workers at once', async (context) => {
  const served = await serveWorkers(context, echo, 2);
  const pids = workersOf(served);
  await startStream(served.url);
  const again = setInterval(() => served.child.kill('SIGTERM'), 100);
  context.after(() => clearInterval(again));
  assert.equal(await served.ended, 128 + 15);
  await until(
    async () => pids.filter(isAlive),
    (alive) => alive.length === 0,
  );
});

test('a primary process that is killed leaves nothing behind: its workers finish what they have', async (context) => {
  const served = await serveWorkers(context, echo, 2);
  const pids = workersOf(served);
  assert.equal(foldersOf(served).length, 1);
  const streams = await Promise.all([startStream(served.url), startStream(served.url)]);
  served.child.kill('SIGKILL');
  for (const { whole } of streams) assert.match(await whole, /data: \[DONE\]\n\n$/);
  await until(
    async () => pids.filter(isAlive),
    (alive) => alive.length === 0,
  );
  assert.deepEqual(foldersOf(served), []);
  const rows = readRows(served.database, 'SELECT outcome FROM exchanges');
  assert.deepEqual(rows, [{ outcome: 'ok' }, { outcome: 'ok' }]);
});

test('what a killed worker held is given back, the others go on, and another takes its place', async (context) => {
  const waiting: (() => void)[] = [];
  const upstream = await startUpstream(context, held(waiting));
  const served = await serveWorkers(context, configOf(upstream.url), 2);
  const url = `${served.url}/v1/chat/completions`;
  const all = Array.from({ length: 6 }, () => send(url, chat, headers).catch(() => null));
  await until(
    async () => upstream.seen.length,
    (count) => count === 6,
  );
  assert.equal((await send(url, chat, headers)).status, 429, 'every place is taken');
  const [victim] = workersOf(served);
  assert.ok(victim);
  process.kill(victim, 'SIGKILL');

  const lost = await firstNull(all);
  assert.ok(lost > 0 && lost < 6, `${lost} of 6 were lost`);
  const free = await until(
    () => budgetOf(served.url),
    ({ reserved_usd }) => reserved_usd < 0.06,
  );
  assert.equal(Math.round(free.reserved_usd * 100), 6 - lost);
  upstream.script(json());
  // As many as were lost have a place, one after the other.
  assert.equal((await send(url, chat, headers)).status, 200);

  upstream.script(json());
  for (const go of waiting) go();
  const answers = (await Promise.all(all)).filter((answer) => answer !== null);
  assert.equal(countOf(answers, 200), 6 - lost);
  const health = await until(
    () => healthOf(served.url),
    ({ workers }) => workers.answering === 2,
  );
  assert.equal(health.status, 'ok');
  assert.ok(!workersOf(served).includes(victim));
  assert.match(served.stdout(), /"level":50.*a worker ended unexpectedly/);
  const more = await sendMany(30, 6, () => send(url, chat, headers));
  assert.equal(countOf(more, 200), 30);
  const { spent_usd, reserved_usd } = await budgetOf(served.url);
  assert.deepEqual([Math.round(spent_usd * 100), reserved_usd], [31 + 6 - lost, 0]);
  served.child.kill('SIGTERM');
  assert.equal(await served.ended, 0);
  const rows = readRows(served.database, "SELECT count(*) AS count FROM exchanges WHERE outcome = 'ok'");
  assert.deepEqual(rows, [{ count: 31 + 6 - lost }]);
});

test('what stands in the way of a start is told once, and nothing is left behind', async (context) => {
  const other = createServer().listen(0, '127.0.0.1');
  context.after(() => other.close());
  await once(other, 'listening');
  const address = other.address();
  assert.ok(address !== null && typeof address === 'object');
  const taken = startCli(context, ['serve', '--workers', '3', '--port', String(address.port)]);
  assert.equal(await taken.ended, 1);
  assert.deepEqual(foldersOf(taken), []);
  assert.match(taken.stderr(), /^llm-gateway: port \d+ of 127\.0\.0\.1 is in use[^\n]*\n$/);

  const files = { 'notes.db': 'this is no database, but a text of some length' };
  const args = ['serve', '--workers', '3', '--port', '0', '--db', 'notes.db'];
  const broken = await runCli(context, args, { files });
  assert.equal(broken.code, 1);
  assert.match(broken.stderr, /^llm-gateway: database\.path "notes\.db" cannot be opened: [^\n]*\n$/);

  const wrong = await runCli(context, ['serve', '--workers', '3'], { config: 'routs: {}\n' });
  assert.deepEqual([wrong.code, wrong.stderr.match(/routs/g)?.length], [1, 1]);
  const memory = await runCli(context, ['serve', '--workers', '2', '--db', ':memory:']);
  assert.match(memory.stderr, /^llm-gateway: --workers needs a database file/);
});

test('workers that die whenever they start are given up, with a failure', async (context) => {
  const crash = "import { existsSync } from 'node:fs';\nif (existsSync('crash')) process.exit(3);\n";
  const setup = { files: { 'crash.mjs': crash }, env: { NODE_OPTIONS: '--import ./crash.mjs' } };
  const served = await serveWorkers(context, { providers: { echo: { type: 'echo' } } }, 2, setup);
  writeFileSync(join(served.folder, 'crash'), '');
  for (const pid of workersOf(served)) process.kill(pid, 'SIGKILL');
  assert.equal(await served.ended, 1);
  assert.match(served.stdout(), /"level":50.*no worker lives: giving up/);
  assert.deepEqual(foldersOf(served), []);
});

/** Answers when it is told to. */
function held(waiting: (() => void)[]): Script {
  return (response, seen, incoming) => {
    waiting.push(() => json()(response, seen, incoming));
  };
}

/** How many of the requests are lost, once the first one is: a dead process loses all it had at the same moment. */
async function firstNull(all: readonly Promise<Answered | null>[]): Promise<number> {
  let lost = 0;
  await Promise.race(all.map((one) => one.then((answer) => answer === null || new Promise(() => {}))));
  for (const one of all) void one.then((answer) => (lost += answer === null ? 1 : 0));
  await new Promise((resolve) => setTimeout(resolve, 100));
  return lost;
}

async function healthOf(url: string): Promise<{ status: string; workers: { answering: number } }> {
  return JSON.parse((await send(`${url}/health`)).text);
}

async function budgetOf(url: string): Promise<{ spent_usd: number; reserved_usd: number }> {
  return JSON.parse((await send(`${url}/admin/budgets`, undefined, headers)).text).data[0];
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Where the workers of a process share. */
function foldersOf({ child }: Cli): string[] {
  const place = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  return readdirSync(place).filter((name) => name.startsWith(`llm-gateway-${child.pid}-`));
}
