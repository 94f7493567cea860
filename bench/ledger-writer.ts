// Where should rows be written: on the thread that serves, or on one of their own? Both do the same batches of the same
// rows, in turns, and the event loop of the serving thread is watched.
//
//   node --import tsx bench/ledger-writer.ts [rows per second = 2000] [seconds per turn = 4] [turns = 5]
//
// Takes (3 x seconds x turns) and a little, by default about a minute. "nothing" records nothing: what the machine does anyway.
//
// Measured on two cores shared with other work (medians; the delay of "nothing" is the machine's):
//    2000 rows/s  nothing p99 2.9 ms, max 49 ms;  same thread p99  5.2 ms, max  83 ms, 52 us CPU a row;  own thread p99  3.3 ms, max 52 ms, 75 us
//   15000 rows/s  nothing p99 7.5 ms, max 54 ms;  same thread p99 56.5 ms, max 114 ms, 19 us CPU a row;  own thread p99 24.5 ms, max 87 ms, 31 us
// A thread costs more CPU in sum, and less where streams are served: it was chosen.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openLedger } from '../src/db/ledger.js';
import { openWriter } from '../src/db/open.js';
import { createQueue } from '../src/db/queue.js';
import { createSchedule } from '../src/db/schedule.js';
import { prepareWriter } from '../src/db/writer.js';
import { beginAttempt, type Exchange, openExchange } from '../src/exchange.js';

const [rate = 2000, seconds = 4, turns = 5] = process.argv.slice(2).map(Number);
const TICK_MS = 5;

interface Recorder {
  record(exchange: Exchange): void;
  close(): Promise<void>;
}

const modes: Record<string, (path: string) => Promise<Recorder>> = {
  nothing: async () => ({ record: () => {}, close: async () => {} }),
  'same thread': async (path) => {
    const client = openWriter(path, { synchronous: 'normal', waitMs: 1000 });
    const write = prepareWriter(client);
    const queue = createQueue(50_000);
    const flush = () => {
      write({ ...queue.take(), again: false });
      queue.forget();
      if (queue.size > 0) schedule.queued(queue.size);
    };
    const schedule = createSchedule('relaxed', flush);
    return {
      record(exchange) {
        queue.push({ exchange, payloads: [] });
        schedule.queued(queue.size);
      },
      async close() {
        schedule.stop();
        while (queue.size > 0) flush();
        client.close();
      },
    };
  },
  'own thread': async (path) => {
    const ledger = openLedger({ path });
    await ledger.flush();
    return ledger;
  },
};

function exchangeOf(number: number): Exchange {
  const exchange = openExchange({
    method: 'POST',
    endpoint: '/v1/chat/completions',
    session: `s${number % 500}`,
  });
  exchange.route = 'default';
  exchange.requestedModel = 'default';
  exchange.provider = 'groq';
  exchange.model = `model-${number % 5}`;
  exchange.status = 200;
  exchange.outcome = 'ok';
  exchange.endReason = 'complete';
  exchange.usageSource = 'reported';
  exchange.usage = {
    inputUncached: 900,
    cacheRead: 100,
    cacheWrite: null,
    outputText: 250,
    reasoning: null,
    audioInput: null,
    audioOutput: null,
    providerCostNano: null,
  };
  exchange.costNano = 123_456;
  exchange.firstContentUs = 200_000 + (number % 1000) * 97;
  exchange.totalUs = 900_000 + (number % 1000) * 531;
  const attempt = beginAttempt(exchange, 'groq', exchange.model);
  attempt.reason = 'answered';
  return exchange;
}

/** Records at the rate, in small bursts as a server does. Event-loop delay in milliseconds, CPU of all threads in us per row. */
async function turn(open: (path: string) => Promise<Recorder>) {
  const folder = mkdtempSync(join(tmpdir(), 'ledger-bench-'));
  const recorder = await open(join(folder, 'bench.db'));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const cpu = process.cpuUsage();
  const started = performance.now();
  delay.enable();
  let rows = 0;
  while (performance.now() - started < seconds * 1000) {
    const due = ((performance.now() - started) * rate) / 1000;
    for (; rows < due; rows += 1) recorder.record(exchangeOf(rows));
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  delay.disable();
  await recorder.close();
  const used = process.cpuUsage(cpu);
  rmSync(folder, { recursive: true });
  const ms = (ns: number) => Math.max(0, ns / 1e6 - 1);
  return {
    p50: ms(delay.percentile(50)),
    p99: ms(delay.percentile(99)),
    max: ms(delay.max),
    cpuUsPerRow: (used.user + used.system) / Math.max(1, rows),
  };
}

const results = new Map<string, Awaited<ReturnType<typeof turn>>[]>();
for (let round = 0; round < turns; round += 1) {
  for (const [name, open] of Object.entries(modes)) {
    results.set(name, [...(results.get(name) ?? []), await turn(open)]);
  }
}

const median = (values: number[]) => values.toSorted((left, right) => left - right)[values.length >> 1] ?? 0;
process.stdout.write(`${rate} rows a second, medians of ${turns} turns of ${seconds} s\n`);
for (const [name, all] of results) {
  const of = (key: 'p50' | 'p99' | 'max' | 'cpuUsPerRow') => median(all.map((each) => each[key])).toFixed(2);
  process.stdout.write(
    `${name.padEnd(12)} event-loop delay p50 ${of('p50')} ms, p99 ${of('p99')} ms, max ${of('max')} ms; CPU ${of('cpuUsPerRow')} us a row\n`,
  );
}
