import type { FromWorker, ToWorker } from './messages.js';
import type { Asked, FeedItem, Questions, Workers } from './workers.js';

/** A worker's end of the hub. */
export interface Member extends Pick<Workers, 'join' | 'ask' | 'answer' | 'feed'> {
  take(message: ToWorker): void;
  /** The primary process is gone: nobody answers any more. */
  leave(): void;
}

/** Talks to the others through `send`. */
export function createMember(send: (message: FromWorker) => void): Member {
  const answers = new Map<string, () => Promise<unknown>>();
  const waiting = new Map<number, (asked: Asked<never>) => void>();
  let lastId = 0;
  let isWanted = false;
  let gone = false;
  let listener: (item: FeedItem) => void = () => {};

  async function reply(id: number, question: keyof Questions): Promise<void> {
    try {
      const give = answers.get(question);
      if (give === undefined) send({ kind: 'answer', id });
      else send({ kind: 'answer', id, value: await give() });
    } catch {
      send({ kind: 'answer', id });
    }
  }

  return {
    join: () => send({ kind: 'joined' }),
    ask(question) {
      if (gone) return Promise.resolve({ answers: [], complete: true });
      return new Promise((resolve) => {
        const id = ++lastId;
        waiting.set(id, resolve);
        send({ kind: 'ask', id, question });
      });
    },
    answer(question, give) {
      answers.set(question, give);
    },
    feed: {
      get isWanted() {
        return isWanted;
      },
      publish: (item) => send({ kind: 'publish', item }),
      want: (wanted) => send({ kind: 'want', wanted }),
      onItem(take) {
        listener = take;
      },
    },
    take(message) {
      if (message.kind === 'question') void reply(message.id, message.question);
      else if (message.kind === 'wanted') isWanted = message.wanted;
      else if (message.kind === 'item') listener(message.item);
      else if (message.kind === 'answers') {
        const { id, values, complete } = message;
        // What a question is answered with is settled by its name.
        waiting.get(id)?.({ answers: values as readonly never[], complete });
        waiting.delete(id);
      }
    },
    leave() {
      gone = true;
      isWanted = false;
      for (const resolve of waiting.values()) resolve({ answers: [], complete: true });
      waiting.clear();
    },
  };
}
