import { Worker } from 'node:worker_threads';
import type { Role } from './store.js';

const entry = new URL('../db/thread.js', import.meta.url).href;
/**
 * A string, because a file is refused in a process that was started with `--input-type`. The sources themselves run
 * only in our tests, through a loader that threads do not inherit.
 */
const program = import.meta.url.endsWith('.ts') ? throughLoader() : `import(${JSON.stringify(entry)})`;

/** How long a thread that is no longer needed waits for somebody who needs one. */
const PARK_MS = 1000;

const parked: { thread: Worker; role: Role }[] = [];

/**
 * A thread that runs `thread.ts` and has no database open. It does not keep the process alive. To start one takes
 * about 0.1 s; one that was given back is ready at once, which is for hosts whose tests open and close many gateways.
 */
export function takeThread(role: Role): Worker {
  const position = parked.findIndex((each) => each.role === role);
  const [found] = position === -1 ? [] : parked.splice(position, 1);
  if (found !== undefined) return withoutListeners(found.thread);
  // Neither the host's flags nor what it preloads is meant for this thread.
  const thread = new Worker(program, { eval: true, execArgv: [], name: 'llm-gateway ledger' });
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
  withoutListeners(thread).unref();
  const place = { thread, role };
  parked.push(place);
  thread.once('exit', forget);
  // An error that nobody listens to would end the process.
  thread.on('error', forget);
  setTimeout(() => {
    if (forget()) void thread.terminate();
  }, PARK_MS).unref();

  function forget(): boolean {
    const position = parked.indexOf(place);
    if (position !== -1) parked.splice(position, 1);
    return position !== -1;
  }
}
