import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { post, readRows } from '../helpers/gateway.js';
import { temporaryPath } from '../unit/ledger-fixture.js';

const KEY = 'gw-0123456789abcdef';
const auth = { authorization: `Bearer ${KEY}` };
const CENT = 10_000_000;
const host = fileURLToPath(new URL('./host.ts', import.meta.url));
const chat = { model: 'echo/echo', messages: [{ role: 'user', content: 'Hi' }] };

async function start(t: TestContext, path: string, usd: number) {
  const child = spawn(process.execPath, ['--import', 'tsx', host, path, KEY, String(usd)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const [line] = await once(child.stdout, 'data');
  return { child, url: String(line).trim() };
}

/** Sends until the gateway is gone, sixteen at a time, and kills it at the 60th answer. */
async function killUnderLoad(child: ChildProcess, url: string): Promise<void> {
  let answered = 0;
  const client = async () => {
    for (;;) {
      const response = await post(`${url}/v1/chat/completions`, chat, auth).catch(() => null);
      if (response === null || (await response.text().catch(() => null)) === null) return;
      answered += 1;
      if (answered === 60) child.kill('SIGKILL');
    }
  };
  const gone = once(child, 'exit');
  await Promise.all(Array.from({ length: 16 }, client));
  await gone;
}

async function budgetOf(url: string): Promise<{ spent_usd: number; reserved_usd: number }> {
  const response = await fetch(`${url}/admin/budgets`, { headers: auth });
  return JSON.parse(await response.text()).data[0];
}

const recorded = (path: string) =>
  Number(readRows(path, 'select coalesce(sum(cost_nano), 0) as nano from exchanges')[0]?.nano);

test('after a kill nothing is set aside, and what was spent is what the records say', async (t) => {
  const path = temporaryPath();
  const first = await start(t, path, 1000);
  await killUnderLoad(first.child, first.url);
  const nano = recorded(path);
  assert.ok(nano >= 20 * CENT, `only ${nano / CENT} cents are recorded`);

  const dollarsMore = nano / 1e9 + 0.1;
  const second = await start(t, path, dollarsMore);
  assert.deepEqual(await budgetOf(second.url).then(pick), [nano / 1e9, 0]);

  const statuses = await Promise.all(
    Array.from({ length: 30 }, async () => {
      const response = await post(`${second.url}/v1/chat/completions`, chat, auth);
      await response.text();
      return response.status;
    }),
  );
  assert.equal(statuses.filter((status) => status === 200).length, 10, 'only what is left is spent');
  assert.deepEqual(await budgetOf(second.url).then(pick), [(nano + 10 * CENT) / 1e9, 0]);
});

function pick({ spent_usd, reserved_usd }: { spent_usd: number; reserved_usd: number }) {
  return [spent_usd, reserved_usd];
}
