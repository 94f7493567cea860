import { Worker } from 'node:worker_threads';
import type { Role } from './store.js';

/** Found from `src/db/` and from any folder beside it, where a bundler puts what is used in common. */
const entry = new URL('../db/thread.js', import.meta.url).href;
/**
 * A string, because a file is refused in a process that was started with `--input-type`. The sources themselves run
 * only in our tests, through a loader that threads do not inherit.
 */
const program = import.meta.url.endsWith('.ts') ? throughLoader() : `import(${JSON.stringify(entry)})`;

/** How long a thread that is no longer needed waits for somebody who needs one. */
const PARK_MS = 1000;
/** The same for one that was started in advance: a busy machine takes seconds to load the rest. */
const WARM_MS = 10_000;
/**
 * Of the thread that writes. V8 would let its young generation grow to 48 MB and keep it; a row costs the same with this
 * (51 us of CPU either way, `bench/ledger-writer.ts` at 6000 rows a second).
 */
const YOUNG_MB = 4;

const parked: { thread: Worker; role: Role }[] = [];

/**
 * A thread that runs `thread.ts` and has no database open. It does not keep the process alive. To start one takes
 * about 0.1 s; one that was given back is ready at once, which is for hosts whose tests open and close many gateways.
 */
export function takeThread(role: Role): Worker {
  const position = parked.findIndex((each) => each.role === role);
  const [found] = position === -1 ? [] : parked.splice(position, 1);
  return found === undefined ? start(role) : withoutListeners(found.thread);
}

/** Starts a thread that will be needed soon, so that it is ready when the one who needs it is. */
export function warmThread(role: Role): void {
  park(start(role), role, WARM_MS);
}

function start(role: Role): Worker {
  // Neither the host's flags nor what it preloads is meant for this thread.
  const thread = new Worker(program, {
    eval: true,
    execArgv: [],
    name: 'llm-gateway ledger',
    // Reports are large, and only who asks for one has a thread for them.
    ...(role === 'write' && { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } }),
  });
  thread.unref();
  return thread;
}

function throughLoader(): string {
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  return `import(${loader}).then(({ register }) => { register(); return import(${JSON.stringify(entry)}); })`;
}

/** Without a name, `removeAllListeners` would take the worker's own, and no message would come any more. */
function withoutListeners(thread: Worker): Worker {
  for (const name of ['message', 'error', 'exit']) thread.removeAllListeners(name);
  return thread;
}

/** Gives back a thread whose database is closed. A role is kept: a thread cannot get its priority back. */
export function giveBackThread(thread: Worker, role: Role): void {
  park(thread, role, PARK_MS);
}

function park(thread: Worker, role: Role, ms: number): void {
  withoutListeners(thread).unref();
  const place = { thread, role };
  parked.push(place);
  thread.once('exit', forget);
  // An error that nobody listens to would end the process.
  thread.on('error', forget);
  setTimeout(() => {
    if (forget()) void thread.terminate();
  }, ms).unref();

  function forget(): boolean {
    const position = parked.indexOf(place);
    if (position !== -1) parked.splice(position, 1);
    return position !== -1;
  }
}
