import type { FromWorker, ToWorker } from './messages.js';
import type { Questions } from './workers.js';

/** How long the answer to a question is waited for, milliseconds. */
const ASK_MS = 1000;

/** Carries what workers tell each other. They are known by numbers. */
export interface Hub {
  /** What a worker has said. */
  take(from: number, message: FromWorker): void;
  /** A worker is gone. */
  leave(worker: number): void;
}

interface Asking {
  readonly from: number;
  readonly id: number;
  /** Who has not answered yet. */
  readonly open: Set<number>;
  readonly values: unknown[];
  readonly timer: NodeJS.Timeout;
}

/** A hub in the primary process; `send` must not throw. */
export function createHub(send: (to: number, message: ToWorker) => void, askMs = ASK_MS): Hub {
  const members = new Set<number>();
  const readers = new Set<number>();
  const asked = new Map<number, Asking>();
  let lastId = 0;

  function ask(from: number, id: number, question: keyof Questions): void {
    const open = new Set([...members].filter((member) => member !== from));
    const key = ++lastId;
    const timer = setTimeout(() => finish(key), askMs);
    asked.set(key, { from, id, open, values: [], timer });
    for (const member of open) send(member, { kind: 'question', id: key, question });
    if (open.size === 0) finish(key);
  }

  function finish(key: number): void {
    const asking = asked.get(key);
    if (asking === undefined) return;
    asked.delete(key);
    clearTimeout(asking.timer);
    const { from, id, values, open } = asking;
    send(from, { kind: 'answers', id, values, complete: open.size === 0 });
  }

  /** Who cannot answer any more, or will not, is not waited for. */
  function answered(member: number, key: number, values: readonly unknown[]): void {
    const asking = asked.get(key);
    if (asking === undefined || !asking.open.has(member)) return;
    asking.values.push(...values);
    asking.open.delete(member);
    if (asking.open.size === 0) finish(key);
  }

  function isWantedBy(member: number): boolean {
    return readers.size > (readers.has(member) ? 1 : 0);
  }

  function want(member: number, wanted: boolean): void {
    if (wanted) readers.add(member);
    else if (!readers.delete(member)) return;
    for (const each of members) send(each, { kind: 'wanted', wanted: isWantedBy(each) });
  }

  return {
    take(from, message) {
      if (message.kind === 'joined') {
        members.add(from);
        send(from, { kind: 'wanted', wanted: isWantedBy(from) });
      } else if (message.kind === 'ask') ask(from, message.id, message.question);
      else if (message.kind === 'answer')
        answered(from, message.id, 'value' in message ? [message.value] : []);
      else if (message.kind === 'want') want(from, message.wanted);
      else if (message.kind === 'publish') {
        for (const reader of readers) if (reader !== from) send(reader, { kind: 'item', item: message.item });
      }
    },
    leave(worker) {
      members.delete(worker);
      want(worker, false);
      for (const [key, { from, open }] of [...asked]) {
        if (from === worker) finish(key);
        else if (open.has(worker)) answered(worker, key, []);
      }
    },
  };
}
