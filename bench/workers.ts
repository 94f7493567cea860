/**
 * What it costs workers to share: one operation by itself, and while others do the same.
 *
 *   node --import tsx bench/workers.ts [processes]
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createTab } from '../src/budgets/tab.js';
import { parseConfig } from '../src/config.js';
import { createMemoryLimits } from '../src/limits/memory-store.js';
import { createAvailability } from '../src/routing/availability.js';
import { type Sharing, unshared } from '../src/workers/sharing.js';
import { createSharedFiles, openSharing } from '../src/workers/store.js';
import type { Area } from '../src/workers/workers.js';
import { machine } from './processes.js';

const ROUNDS = 5000;
const limits = {
  requestsPerMinute: 1e9,
  tokensPerMinute: 1e9,
  requestsPerHour: null,
  tokensPerHour: null,
  requestsPerDay: null,
  tokensPerDay: null,
  concurrency: 1000,
};
const provider = { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1', models: { m: {} } };
const config = parseConfig(
  {
    providers: {
      free: provider,
      limited: { ...provider, limits: { requestsPerMinute: 1e9, concurrency: 1000 } },
    },
  },
  {},
);

/** What one request does, by what limits it. */
function operations(sharing: (area: Area) => Sharing): Record<string, () => void> {
  const store = createMemoryLimits(sharing('limits'));
  const tab = createTab('key month 0 web', sharing('budgets'));
  const availability = createAvailability(config, sharing('availability'));
  const call = (name: string) => () => {
    const target = { id: `${name}/m`, provider: { name } };
    const now = Date.now();
    const permit = availability.reserve(target, now, { tokens: 10, endpoint: 'chat' });
    if (!('settle' in permit)) throw new Error(permit.obstacle);
    permit.sent(now);
    permit.settle(now, { result: 'success', tokens: 8 });
  };
  return {
    'a key with limits for requests, tokens and concurrency': () => {
      const permit = store.admit('web', limits, Date.now());
      if (!('settle' in permit)) throw new Error('refused');
      permit.reserveTokens(Date.now(), 10);
      permit.settle(Date.now(), 8);
    },
    'a budget': () => tab.reserve(1, 1e15)?.settle(1),
    'a provider without limits': call('free'),
    'a provider with limits': call('limited'),
  };
}

/** Microseconds for each, at the median of rounds of 50; a turn of the event loop between two. */
async function measure(sharing: (area: Area) => Sharing): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const [name, operation] of Object.entries(operations(sharing))) {
    const rounds: number[] = [];
    for (let done = 0; done < ROUNDS; done += 50) {
      const begun = performance.now();
      for (let time = 0; time < 50; time += 1) {
        operation();
        await Promise.resolve();
      }
      rounds.push((performance.now() - begun) * 20);
    }
    found[name] = rounds.sort((one, other) => one - other)[Math.floor(rounds.length / 2)] ?? Number.NaN;
  }
  return found;
}

const [given = '4', folder] = process.argv.slice(2);
const opening = (where: string) => (area: Area) =>
  openSharing(where, area, process.pid, (error) => {
    throw error;
  });
if (folder !== undefined) {
  process.send?.(await measure(opening(folder)));
} else {
  const shared = mkdtempSync('/dev/shm/llm-gateway-bench-');
  const files = createSharedFiles(shared);
  const own = await measure(() => unshared);
  const alone = await measure(opening(shared));
  const together = await Promise.all(Array.from({ length: Number(given) }, () => inProcess(shared)));
  console.log(machine());
  console.log(`µs for one request   one process   workers, one busy   ${given} busy`);
  for (const name of Object.keys(own)) {
    const busy = together.map((each) => each[name] ?? 0).sort((one, other) => one - other);
    const cells = [own[name], alone[name], busy[Math.floor(busy.length / 2)]].map((us) => us?.toFixed(1));
    console.log(`${cells.map((cell) => cell?.padStart(10)).join('')}   ${name}`);
  }
  files.close();
  rmSync(shared, { recursive: true });
}

function inProcess(shared: string): Promise<Record<string, number>> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), [given, shared], { execArgv: process.execArgv });
    child.once('message', (found: Record<string, number>) => resolve(found));
    child.once('exit', (code) => code !== 0 && reject(new Error(`ended with ${code}`)));
  });
}
