import type { ServerResponse } from 'node:http';
import type { Exchange } from './exchange.js';

/** The exchanges in flight, and the responses their answers leave through. */
export interface InFlight {
  readonly size: number;
  has(exchange: Exchange): boolean;
  add(exchange: Exchange, response: ServerResponse): void;
  /** False when it was not there. */
  delete(exchange: Exchange): boolean;
  /** All of them, in no order. Those that are added or deleted meanwhile may be missing. */
  list(): (readonly [Exchange, ServerResponse])[];
}

/**
 * Two lists, in which an exchange knows its place. A `Map` that is added to and deleted from all the time makes itself a
 * new table every hundred requests or so, and a table that was given up still points to its successor: once one of them
 * has grown old, all that follow, and every request in them, are alive for the collector of young garbage, which moves
 * them about. It took 6 ms a time instead of 2.5, as soon as some dozens were in flight.
 */
export function createInFlight(): InFlight {
  const exchanges: Exchange[] = [];
  const responses: ServerResponse[] = [];

  /** It may be in flight elsewhere: an app can have two gateways. */
  function has(exchange: Exchange): boolean {
    return exchange.place !== null && exchanges[exchange.place] === exchange;
  }

  return {
    get size() {
      return exchanges.length;
    },
    has,
    add(exchange, response) {
      exchange.place = exchanges.push(exchange) - 1;
      responses.push(response);
    },
    delete(exchange) {
      const { place } = exchange;
      if (place === null || !has(exchange)) return false;
      exchange.place = null;
      const [last, response] = [exchanges.pop(), responses.pop()];
      // The last one takes the place that is free now.
      if (last !== undefined && response !== undefined && last !== exchange) {
        exchanges[place] = last;
        responses[place] = response;
        last.place = place;
      }
      return true;
    },
    list: () =>
      exchanges.flatMap((exchange, place) => {
        const response = responses[place];
        return response === undefined ? [] : [[exchange, response] as const];
      }),
  };
}
