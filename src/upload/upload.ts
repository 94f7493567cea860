import { Readable } from 'node:stream';
import { malformed } from './error.js';
import { boundaryOf, createMultipartScanner, type FormField } from './multipart.js';
import { spool } from './spool.js';
import type { Spooled } from './spooled.js';

/** Held in memory per upload; most images fit, and a file is only made for what is larger. */
const MEMORY_BYTES = 256 * 1024;
/** As long as a model's name may be in a JSON body. */
const MAX_FIELD_BYTES = 512;
const LINE_BREAK = /[\r\n]/;

export interface UploadOptions {
  /** The most bytes of body that are taken. */
  limit: number;
  /** Ends the receiving. */
  signal?: AbortSignal | undefined;
  /** Where files are made; the system's temporary folder by default. */
  folder?: string | undefined;
}

/** What an upstream is sent. */
export interface UploadBody {
  /** For `content-length`. */
  length: number;
  /** A new stream of the same bytes each time, to be read to its end or destroyed. */
  stream: () => Readable;
}

/** A form that was received whole and can be sent as often as it takes. */
export interface Upload {
  fields: {
    /** The last one, like in a JSON body, or null without any. */
    model: string | null;
    stream: boolean;
  };
  /** What the client sent, in bytes. */
  bytes: number;
  /** The client's own bytes with every `model` replaced. A form without one stays as it is. */
  body(model: string): UploadBody;
  /** Gives memory and file back, once all streams have ended or are destroyed. May be called again. */
  discard(): Promise<void>;
}

/**
 * Receives a `multipart/form-data` body. Clients send `model` behind the file as often as before it, so the target is known
 * at the end only, and a fail-over needs the body again: it is kept, in a temporary file when it is large.
 *
 * @example
 * const upload = await receiveUpload(request, request.headers['content-type'] ?? '', { limit: 32 * 1024 * 1024 });
 * const { length, stream } = upload.body('whisper-1');
 *
 * @throws UploadError; the source is then left paused, for its owner to answer and to close
 */
export async function receiveUpload(
  source: Readable,
  contentType: string,
  options: UploadOptions,
): Promise<Upload> {
  const boundary = boundaryOf(contentType);
  if (boundary === null)
    throw malformed('The content-type must be "multipart/form-data" with a boundary of 1 to 70 characters.');
  const wanted = { fields: ['model', 'stream'], maxFieldBytes: MAX_FIELD_BYTES };
  const scanner = createMultipartScanner(boundary, wanted);
  const spooled = await spool(source, { ...options, memory: MEMORY_BYTES, onChunk: scanner.write });
  try {
    return createUpload(spooled, scanner.end());
  } catch (error) {
    await spooled.discard();
    throw error;
  }
}

function createUpload(spooled: Spooled, found: FormField[]): Upload {
  const models = found.filter(({ name }) => name === 'model');
  const model = models.at(-1)?.value ?? null;
  if (model !== null && LINE_BREAK.test(model))
    throw malformed('The form field `model` must be one line.', 'model');
  const stream = found.findLast(({ name }) => name === 'stream');
  const kept = models.reduce((bytes, { start, end }) => bytes - (end - start), spooled.bytes);

  return {
    fields: {
      model,
      stream: stream !== undefined && /^(true|1)$/i.test(stream.value),
    },
    bytes: spooled.bytes,
    body(target) {
      if (LINE_BREAK.test(target))
        throw new Error(`A form cannot carry the model ${JSON.stringify(target)}.`);
      const text = Buffer.from(target);
      return {
        length: kept + models.length * text.length,
        stream: () => concatenate(pieces(spooled, models, text)),
      };
    },
    discard: spooled.discard,
  };
}

/** All are opened at once, so that none can be missing when the upload is discarded half way. */
function pieces(spooled: Spooled, replaced: FormField[], text: Buffer): (Buffer | Readable)[] {
  let at = 0;
  const before = replaced.flatMap(({ start, end }) => {
    const kept = spooled.read(at, start);
    at = end;
    return [kept, text];
  });
  return [...before, spooled.read(at)];
}

function concatenate(parts: (Buffer | Readable)[]): Readable {
  const whole = Readable.from(inOrder(parts), { objectMode: false });
  whole.once('close', () => {
    for (const part of parts) if (part instanceof Readable) part.destroy();
  });
  return whole;
}

async function* inOrder(parts: (Buffer | Readable)[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    if (part instanceof Readable) yield* part;
    else yield part;
  }
}
