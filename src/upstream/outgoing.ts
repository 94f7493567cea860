import type { Readable } from 'node:stream';
import { type ModelPlace, spliceAt } from './json-request.js';
import { spliceJson } from './splice.js';

/** A request body on its way to one target. */
export interface OutgoingBody {
  body: Buffer | Readable | null;
  /** In bytes; null when there is no body, or its length is not known before it has ended. */
  length: number | null;
  /** It is what the client sent, to the last byte, so what the client said of its encoding holds. */
  asItIs: boolean;
}

/** What a client sent, in a form that can be sent to one target after another. */
export interface Outgoing {
  /** The body as the target wants it. `streamUsage` asks for the usage of a stream. */
  for(model: string, streamUsage: boolean): OutgoingBody;
}

/** A JSON object, with the target's model in it. Also when the name is the same: `model` may stand there twice. */
export function jsonBody(bytes: Buffer, place: ModelPlace | null = null): Outgoing {
  return {
    for(model, streamUsage) {
      const body =
        place === null
          ? spliceJson(bytes, { model, streamUsage })
          : spliceAt(bytes, place, model, streamUsage);
      return { body, length: body.length, asItIs: false };
    },
  };
}

/** A form with files. */
export function formBody(upload: { body(model: string): { length: number; stream(): Readable } }): Outgoing {
  return {
    for(model) {
      const { length, stream } = upload.body(model);
      return { body: stream(), length, asItIs: false };
    },
  };
}

/** Bytes that go as they are, to one target only when they are a stream. */
export function rawBody(body: Buffer | Readable | null, length: number | null, asItIs = true): Outgoing {
  return { for: () => ({ body, length, asItIs }) };
}
