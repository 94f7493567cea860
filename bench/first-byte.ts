/**
 * What the gateway adds to the time to the first byte of a stream: the same call to the same provider, directly and through
 * the gateway, in turns. Every call is on a connection that is open already and alone on it.
 *
 *     npm run build && node --import tsx bench/first-byte.ts [--calls 300] [--events 20] [--cli dist/src/cli.js]
 */
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { parseArgs } from 'node:util';
import { busyMeter, machine, quantile, startParties } from './processes.js';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '300' },
    events: { type: 'string', default: '20' },
    cli: { type: 'string' },
  },
});
const CALLS = Number(values.calls);
const EVENTS = Number(values.events);
/** Short calls that are made before anything is measured: V8 goes on optimising the gateway until about there. */
const WARM_UP = 3000;
/** On a machine that is too busy for that, fewer have to do. */
const WARM_UP_MS = 25_000;
/** Groups of calls, so that calm ones can be told from those that other work disturbed. */
const ROUNDS = 6;
/** A delayed acknowledgement that Nagle's algorithm waits for takes 40 ms. */
const STALL_MS = 35;

function bodyOf(events: number): string {
  const messages = [{ role: 'user', content: 'Say hello. '.repeat(40) }];
  return JSON.stringify({ model: 'main/bench', messages, stream: true, max_tokens: events });
}

interface Call {
  /** Milliseconds. */
  firstByte: number;
  largestGap: number;
}

/** A caller with one connection, which is kept open. */
function callerOf(url: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return async (events: number): Promise<Call> => {
    const body = bodyOf(events);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const outgoing = request(`${url}/chat/completions`, { method: 'POST', headers, agent });
    const sent = performance.now();
    outgoing.end(body);
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    if (answer.statusCode !== 200) throw new Error(`${url} answered ${answer.statusCode}`);
    let firstByte = 0;
    let last = 0;
    let largestGap = 0;
    answer.on('data', () => {
      const now = performance.now();
      if (last === 0) firstByte = now - sent;
      else largestGap = Math.max(largestGap, now - last);
      last = now;
    });
    await once(answer, 'end');
    return { firstByte, largestGap };
  };
}

type Side = 'direct' | 'gateway';

function line(name: string, { direct, gateway }: Record<Side, Call[]>): string {
  const of = (calls: Call[], at: number) =>
    quantile(
      calls.map(({ firstByte }) => firstByte),
      at,
    );
  const ms = (value: number) => `${value.toFixed(3).padStart(8)}`;
  const added = of(gateway, 0.5) - of(direct, 0.5);
  return [
    name.padEnd(9),
    `direct ${ms(of(direct, 0.5))} /${ms(of(direct, 0.99))}`,
    `gateway ${ms(of(gateway, 0.5))} /${ms(of(gateway, 0.99))}`,
    `added at the median ${ms(added)}`,
  ].join('   ');
}

function gaps(side: Side, calls: Call[]): string {
  const all = calls.map(({ largestGap }) => largestGap);
  const stalls = all.filter((gap) => gap >= STALL_MS).length;
  const [median, largest] = [quantile(all, 0.5), Math.max(...all)].map((gap) => gap.toFixed(1));
  return `${side}: largest gap of a stream ${median} at the median, ${largest} at most; ${stalls} of ${all.length} with one of ${STALL_MS} ms or more`;
}

const parties = await startParties(values.cli);
try {
  const call = { direct: callerOf(parties.upstream), gateway: callerOf(parties.gateway) };
  const started = performance.now();
  for (let index = 0; index < WARM_UP && performance.now() - started < WARM_UP_MS; index++) {
    for (const side of sides(index)) await call[side](1);
  }

  console.log(`${machine()}\n${CALLS} calls each, in turns; time to the first byte in ms, median / p99`);
  const all: Record<Side, Call[]> = { direct: [], gateway: [] };
  const perRound = Math.ceil(CALLS / ROUNDS);
  for (let round = 1; round <= ROUNDS; round++) {
    const measured: Record<Side, Call[]> = { direct: [], gateway: [] };
    const busy = busyMeter();
    for (let index = 0; index < perRound; index++) {
      // Of different lengths, so that calls do not fall into step with the ledger's commits.
      const events = 1 + ((index * 7) % (2 * EVENTS));
      for (const side of sides(index)) measured[side].push(await call[side](events));
    }
    console.log(`${line(`round ${round}`, measured)}   machine ${busy()} % busy`);
    all.direct.push(...measured.direct);
    all.gateway.push(...measured.gateway);
  }
  console.log(line('all', all));
  console.log(`${gaps('direct', all.direct)}\n${gaps('gateway', all.gateway)}\n${machine()}`);
} finally {
  await parties.stop();
}
process.exit();

/** Neither side is always the one that comes after the other. */
function sides(index: number): Side[] {
  return index % 2 === 0 ? ['direct', 'gateway'] : ['gateway', 'direct'];
}
