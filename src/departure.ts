import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What to do for the answers that wait behind an earlier one of their connection. */
const waiting = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls `closed` when a response is over or its connection has gone, at once if that was before. `close` of the
 * response alone is not enough: it was emitted before anybody listened, when the client left early, and a pipelined
 * response that has not had its turn never emits it. May call twice.
 */
export function onClosed(request: IncomingMessage, response: ServerResponse, closed: () => void): void {
  const { socket } = request;
  if (socket.destroyed) {
    closed();
    return;
  }
  // Once is how often it is emitted.
  response.on('close', closed);
  if (response.socket !== null) return;
  const others = waiting.get(socket) ?? watch(socket);
  others.add(closed);
  response.once('close', () => others.delete(closed));
}

/** One listener for each connection: as many answers may wait on it as the client likes. */
function watch(socket: Socket): Set<() => void> {
  const closings = new Set<() => void>();
  waiting.set(socket, closings);
  socket.once('close', () => {
    for (const closed of closings) closed();
  });
  return closings;
}
