import { type Attempt, sinceStart } from '../exchange.js';
import { errorBytes, findError } from '../stream/event-error.js';
import { isRecord } from '../stream/json.js';
import { noteAnswer, noteCommit } from './account.js';
import type { Answer } from './answer.js';
import { lose, type Result, type Won, type Work } from './attempt.js';
import type { Control } from './control.js';
import { responseHeaders } from './headers.js';
import { isJson, mediaType } from './kind.js';
import { withoutSecret } from './secret.js';
import type { Timers } from './timers.js';
import type { UpstreamResponse } from './transport.js';

/** Upper bound of a JSON answer held in memory; images come as base64, so it is generous. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/** A JSON answer is checked before its first byte leaves, so that a broken one can still be answered by another. */
export async function takeWhole(
  work: Work,
  record: Attempt,
  response: UpstreamResponse,
  timers: Timers,
): Promise<Result> {
  let started = false;
  const read = await response.body.whole(MAX_ANSWER_BYTES, () => {
    if (started) timers.activity();
    else timers.content();
    started = true;
  });
  timers.clear();
  return judge(work, record, response, withoutSecret(read, work.target.provider));
}

function judge(work: Work, record: Attempt, response: UpstreamResponse, body: Buffer): Result {
  const { status, headers } = response;
  work.control.captured?.answer(body);
  const answer = parseObject(body);
  const error = answer === null || status >= 300 ? null : findError(answer, null, null);
  if (error !== null) {
    return {
      failure: { kind: 'answer', status: error.status ?? 502, headers, body: errorBytes(error, body) },
    };
  }
  if (answer === null || status >= 300 || work.streaming || work.endpoint.answer === 'binary') {
    const message = `The upstream answered ${status} with ${describe(answer, work)}.`;
    return { failure: { kind: 'broken', endReason: 'upstream_invalid', message, status } };
  }
  record.firstContentUs = sinceStart(work.exchange);
  record.totalUs = record.firstContentUs - record.startedUs;
  work.report.firstContent();
  const shown = responseHeaders(headers, work.target.provider);
  if (!isJson(mediaType(response))) shown['content-type'] = 'application/json; charset=utf-8';
  return new WholeAnswer(work, record, { status, headers: shown, body }, answer);
}

/** A class, because there is one for each exchange: its methods are shared. */
class WholeAnswer implements Won {
  readonly control: Control;

  constructor(
    private readonly work: Work,
    private readonly record: Attempt,
    readonly answer: Answer,
    private readonly parsed: Record<string, unknown>,
  ) {
    this.control = work.control;
  }

  accept(): void {
    const { work } = this;
    noteAnswer(work, this.parsed);
    noteCommit(work, this.record);
    const { usage, usageSource, draining } = work.exchange;
    work.report.succeeded(usageSource === 'reported' ? usage : null);
    draining?.end();
  }

  discard(): void {
    lose(this.work, this.record);
  }
}

function describe(answer: object | null, { streaming }: Work): string {
  if (answer === null) return 'something that is not a JSON object';
  return streaming ? 'JSON to a request for a stream' : 'neither an answer nor an error';
}

/** The answer as an object, or null when the bytes are anything else. */
function parseObject(body: Buffer): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    return isRecord(parsed) ? parsed : null;
  } catch {
    return null;
  }
}
