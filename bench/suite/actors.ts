import { setTimeout as pause } from 'node:timers/promises';
import { eventCount, type Script } from './answers.js';
import { type Connection, openConnection } from './client.js';
import type { RouteName } from './configuration.js';
import { type Destination, requestFor } from './requests.js';

/** What a client does in a soak, how often, and which status it gets. `leaves` says when it closes its connection. */
interface Action {
  readonly name: string;
  readonly weight: number;
  readonly request: (destination: Destination) => Buffer;
  readonly status: number;
  readonly leaves: 'never' | 'at once' | 'after the first event';
  /** Of a stream that is read to its end. */
  readonly events?: number;
}

const KB = 1024;

function ask(name: string, weight: number, script: Script, bytes: number, route: RouteName): Action {
  return {
    name,
    weight,
    request: (destination) => requestFor(destination, { model: route, script, bytes }),
    status: 200,
    leaves: 'never',
    ...(script.kind !== 'json' && { events: eventCount(script) }),
  };
}

const json: Script = { kind: 'json', size: 600 };
const paced: Script = { kind: 'paced', size: 20 };

const actions: readonly Action[] = [
  ask('json', 50, json, KB, 'default'),
  ask('json 10 kB', 8, { kind: 'json', size: 10 * KB }, 10 * KB, 'default'),
  ask('json 100 kB', 2, json, 100 * KB, 'default'),
  ask('burst', 10, { kind: 'burst', size: 100 }, KB, 'default'),
  ask('paced', 4, paced, KB, 'default'),
  ask('queued', 4, json, KB, 'queued'),
  ask('failover', 8, json, KB, 'mixed'),
  {
    name: 'unknown model',
    weight: 2,
    request: (to) => requestFor(to, { model: 'nothing', script: json, bytes: KB }),
    status: 404,
    leaves: 'never',
  },
  {
    name: 'wrong key',
    weight: 2,
    request: (to) =>
      requestFor(
        { ...to, headers: ['authorization: Bearer nobody'] },
        { model: 'default', script: json, bytes: KB },
      ),
    status: 401,
    leaves: 'never',
  },
  { ...ask('leaves at once', 5, json, KB, 'default'), leaves: 'at once' },
  { ...ask('leaves a stream', 5, paced, KB, 'default'), leaves: 'after the first event' },
];

export interface Actors {
  /** How often each action was done. */
  readonly counts: ReadonlyMap<string, number>;
  /** Ends when every client is done and gone. Rejects when an answer was wrong. */
  stop(): Promise<void>;
}

const ANSWER_MS = 30_000;
/** The longest that a client rests between two actions. */
const REST_MS = 60;

/** Clients that do one thing after another, each by chance. */
export function startActors(destination: Destination, clients: number): Actors {
  const counts = new Map<string, number>();
  let stopping = false;

  async function act(): Promise<void> {
    let connection: Connection | null = null;
    while (!stopping) {
      const action = chosen();
      counts.set(action.name, (counts.get(action.name) ?? 0) + 1);
      connection ??= openConnection(destination.port);
      await perform(action, connection, destination);
      if (action.leaves !== 'never') {
        connection.destroy();
        connection = null;
      }
      await pause(Math.random() * REST_MS);
    }
    connection?.destroy();
  }

  const all = Promise.all(
    Array.from({ length: clients }, () =>
      act().catch((error) => {
        stopping = true;
        throw error;
      }),
    ),
  );
  all.catch(() => {});
  return {
    counts,
    async stop() {
      stopping = true;
      await all;
    },
  };
}

/** Each as often as its weight says. */
const bag = actions.flatMap((action) => Array.from({ length: action.weight }, () => action));

function chosen(): Action {
  const action = bag[Math.floor(Math.random() * bag.length)];
  if (action === undefined) throw new Error('there is nothing to do');
  return action;
}

async function perform(action: Action, connection: Connection, destination: Destination): Promise<void> {
  const { name, status: expected, leaves, events } = action;
  let text = '';
  await new Promise<void>((resolve, reject) => {
    const wrong = (what: string) => reject(new Error(`${name}: ${what}, ${text.slice(-300)}`));
    const timer = setTimeout(wrong, ANSWER_MS, `no answer in ${ANSWER_MS / 1000} s`);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    connection.send(action.request(destination), {
      onBody(data, from, to) {
        text += data.toString('latin1', from, to);
        if (leaves === 'after the first event') done();
      },
      onEnd(status) {
        clearTimeout(timer);
        const seen = text.split('\n\n').length - 1;
        if (status !== expected) wrong(`status ${status} instead of ${expected}`);
        else if (events !== undefined && seen !== events) wrong(`${seen} events instead of ${events}`);
        else done();
      },
      onFailure(error) {
        clearTimeout(timer);
        wrong(error.message);
      },
    });
    if (leaves === 'at once') setTimeout(done, Math.random() * 5);
  });
}
