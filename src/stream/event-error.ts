import { isRecord, recordOf, textOf } from './json.js';

/** An error that an upstream sent inside a 200. */
export interface StreamError {
  /** The HTTP status the error names, if it names one. */
  status: number | null;
  code: string | null;
  message: string;
  /** The event's parsed data, or its text when it is no JSON. */
  body: unknown;
}

/** The error that a parsed event reports, `type` being its own and `event` its SSE type; null when it reports none. */
export function findError(
  body: Record<string, unknown>,
  type: string | null,
  event: string | null,
): StreamError | null {
  if (isError(body.error)) return readError(body, body.error);
  if (type === 'response.failed') return readError(body, recordOf(body.response).error);
  if (type === 'thread.run.failed') return readError(body, body.last_error);
  // Groq reports under its own key, OpenRouter in the choice that failed, vLLM with the error as the object.
  const groq = recordOf(body.x_groq).error;
  if (isError(groq)) return readError(body, groq);
  for (const choice of Array.isArray(body.choices) ? body.choices : []) {
    const failure = recordOf(choice).error;
    if (isError(failure)) return readError(body, failure);
  }
  const whole = type === 'error' || event === 'error' || body.object === 'error';
  return whole ? readError(body, body) : null;
}

function isError(value: unknown): boolean {
  return isRecord(value) || textOf(value) !== null;
}

/** The common parts of an error, `error` being where they are inside the event's `body`. */
export function readError(body: unknown, error: unknown): StreamError {
  const fields = recordOf(error);
  const message =
    textOf(error) ??
    textOf(fields.message) ??
    textOf(body) ??
    'the upstream reported an error without a message';
  return {
    status:
      statusOf(fields.status_code) ??
      statusOf(fields.status) ??
      statusOf(fields.code) ??
      statusOf(recordOf(body).status_code),
    code: codeOf(fields.code) ?? textOf(fields.type) ?? textOf(fields.status),
    message,
    body,
  };
}

/** Providers put the status into `status`, `status_code` or `code`, as a number or as its digits. */
function statusOf(value: unknown): number | null {
  const status = typeof value === 'string' && /^[45]\d\d$/.test(value) ? Number(value) : value;
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status < 600
    ? status
    : null;
}

function codeOf(value: unknown): string | null {
  return typeof value === 'number' ? String(value) : textOf(value);
}

/** Whether official clients raise an error for the event: they look at one key, whatever its type says. */
export function isErrorEvent({ body }: StreamError): boolean {
  return isRecord(body) && (body.type === 'response.failed' || isError(body.error));
}

/**
 * The error as a client reads it outside of a stream: `bytes`, the upstream's own, or OpenAI's error body where the
 * upstream names its error in another way.
 */
export function errorBytes({ body, code, message }: StreamError, bytes?: Buffer): Buffer {
  if (isRecord(body) && isError(body.error) && body.type !== 'response.failed') {
    return bytes ?? Buffer.from(JSON.stringify(body));
  }
  return Buffer.from(JSON.stringify({ error: { message, type: 'upstream_error', param: null, code } }));
}
