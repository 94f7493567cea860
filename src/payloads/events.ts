import { createFramer } from '../stream/framer.js';

/** One event of a stored stream. */
export interface StoredEvent {
  event: string | null;
  /** What its data says as JSON; undefined when it is none. */
  data: unknown;
}

/** Reads server-sent events to the end, one after the other. A last event that is cut off is left out. */
export function readEvents(stream: Buffer, take: (event: StoredEvent) => void): void {
  const framer = createFramer({
    maxEventBytes: Math.max(stream.length, 1),
    onEvent(data, event, complete) {
      const parsed = parse(data.toString('utf8'));
      if (complete || parsed !== undefined) take({ event, data: parsed });
    },
  });
  framer.write(stream);
  framer.end();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
