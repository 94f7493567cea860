import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { createPinged, type Pinged } from '../src/stream/ping.js';
import type { Answer } from '../src/upstream/answer.js';
import { noteFailure } from './error-handler.js';
import { sendAnswer } from './proxy.js';

const COMMENT = Buffer.from(': ping\n\n');

/**
 * Answers with a stream that gets a comment after every `intervalMs` milliseconds of silence. When the first one is
 * due before there is an answer, the status is 200 from then on, and an error can only be an event.
 */
export async function sendPinged(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: Promise<Answer>,
  intervalMs: number,
): Promise<FastifyReply> {
  const first = await withinSilence(answer, intervalMs);
  const pinged = createPinged({ intervalMs, onPing: (bytes) => count(request, bytes) });
  if (first === null) {
    pinged.say(COMMENT);
    count(request, COMMENT.length);
    void finish(request, pinged, answer);
    return reply
      .headers({
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
      })
      .send(pinged.output);
  }
  if (!(first.body instanceof Readable)) {
    pinged.end();
    return sendAnswer(request, reply, first);
  }
  pinged.attach(first.body);
  return sendAnswer(request, reply, { ...first, body: pinged.output });
}

/** The answer, or null when it is not there in time. */
async function withinSilence(answer: Promise<Answer>, ms: number): Promise<Answer | null> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, ms, null);
  });
  try {
    return await Promise.race([answer, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** What became of the answer, told within the stream. */
async function finish(request: FastifyRequest, pinged: Pinged, answer: Promise<Answer>): Promise<void> {
  try {
    const { body } = await answer;
    if (body instanceof Readable) {
      pinged.attach(body);
      return;
    }
    tell(request, pinged, JSON.parse(body.toString('utf8')));
  } catch (error) {
    tell(request, pinged, noteFailure(request, error).body());
  }
  pinged.end();
}

/** In one line, as an event has to be. */
function tell(request: FastifyRequest, pinged: Pinged, body: unknown): void {
  if (pinged.output.destroyed) return;
  const event = Buffer.from(`data: ${JSON.stringify(body)}\n\n`);
  pinged.say(event);
  count(request, event.length);
}

function count({ exchange }: FastifyRequest, bytes: number): void {
  if (exchange !== null) exchange.bytesOut = (exchange.bytesOut ?? 0) + bytes;
}
