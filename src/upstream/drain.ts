import { conclude, type Exchange } from '../exchange.js';

/** How long and how much is read after the client has left. */
export interface DrainPolicy {
  /** Milliseconds. */
  readonly time: number;
  readonly bytes: number;
}

/**
 * The client has left and the upstream goes on: the exchange is over, but its record waits for what the answer used.
 * `stop` ends the reading when it takes too long.
 */
export function startDrain(exchange: Exchange, policy: DrainPolicy, stop: () => void): void {
  if (exchange.draining !== null) return;
  conclude(exchange, 'aborted', 'client_gone');
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const timer = setTimeout(stop, policy.time);
  exchange.draining = {
    ended,
    stop,
    end() {
      clearTimeout(timer);
      end();
    },
  };
}
