import { type Api, failedResponse, incompleteResponse } from './apis.js';
import { afterProvisional, body, cutUp, dripping, events, head, raw } from './fault-scripts.js';
import { type Complete, type Fault, refusal, SOON_MS, unusable } from './faults.js';
import { json } from './upstream.js';

const JSON_TYPE = 'application/json';
const MB = 1024 * 1024;
/** Shorter than what drips takes in all, and longer than one step of it on a busy machine. */
const DRIP = { everyMs: 40, pieces: 16, idle: 500 };

/** What happens to the body of an answer to a request for JSON. */
export function jsonFaults(api: Api): Fault[] {
  const text = JSON.stringify(api.answer);
  const half = text.slice(0, text.length / 2);
  const length = (bytes: number) => head(`content-type: ${JSON_TYPE}`, `content-length: ${bytes}`);
  const invalid = unusable('upstream_invalid', 200);
  const cut = unusable('upstream_reset', 200);
  return [
    ...completeAnswers(api),
    {
      name: 'headers, and then nothing',
      does: body(JSON_TYPE, '', 'stay'),
      timeouts: { firstByte: SOON_MS },
      expect: unusable('first_byte_timeout', 200),
    },
    {
      name: 'half an answer, and then nothing',
      does: body(JSON_TYPE, half, 'stay'),
      timeouts: { idle: 150 },
      expect: unusable('idle_timeout', 200),
    },
    {
      name: 'half an answer, and nothing more within the total time',
      does: body(JSON_TYPE, half, 'stay'),
      timeouts: { total: SOON_MS },
      expect: unusable('total_timeout', 200),
    },
    { name: 'half an answer, and then a reset', does: body(JSON_TYPE, half, 'reset'), expect: cut },
    { name: 'half an answer in chunks without a last one', does: body(JSON_TYPE, half, 'end'), expect: cut },
    {
      name: 'half an answer and a content-length for all of it',
      does: raw(length(text.length) + half),
      expect: cut,
    },
    {
      name: 'half an answer and its own content-length',
      does: raw(length(half.length) + half),
      expect: invalid,
    },
    { name: 'half an answer in whole chunks', does: body(JSON_TYPE, half), expect: invalid },
    {
      name: 'half an answer that ends with the connection',
      does: raw(head(`content-type: ${JSON_TYPE}`, 'connection: close') + half),
      expect: invalid,
    },
    { name: 'an answer and half of another', does: body(JSON_TYPE, text + half), expect: invalid },
    {
      name: 'a stream that nobody asked for',
      does: events([...api.announcement, ...api.content, ...api.closing]),
      expect: invalid,
    },
    {
      name: 'an error event instead of JSON',
      does: events(['data: {"error":{"message":"x"}}\n\n']),
      expect: invalid,
    },
    ...(api.name === 'chat' ? chatErrors(api) : responseErrors()),
  ];
}

function completeAnswers(api: Api): Fault[] {
  const text = JSON.stringify(api.answer);
  const complete: Complete = { ends: 'complete', bytes: text };
  const hugeText = 'x'.repeat(2 * MB);
  const huge = JSON.stringify(api.answerWith(hugeText));
  const pretty = JSON.stringify(api.answer, null, 2);
  const slow = cutUp(text, Math.ceil(text.length / DRIP.pieces));
  return [
    { name: 'an answer as it should be', does: json(api.answer), expect: complete },
    {
      name: 'a slow drip',
      does: dripping(JSON_TYPE, slow, DRIP.everyMs),
      timeouts: { idle: DRIP.idle },
      expect: complete,
    },
    {
      name: 'an answer in pieces of seven bytes',
      does: dripping(JSON_TYPE, cutUp(text, 7), 0),
      expect: complete,
    },
    {
      name: 'provisional answers before the real one',
      does: afterProvisional(json(api.answer)),
      expect: complete,
    },
    {
      name: 'an answer that ends with the connection',
      does: raw(head(`content-type: ${JSON_TYPE}`, 'connection: close') + text),
      expect: complete,
    },
    {
      name: 'garbage after the end of the answer',
      does: raw(
        `${head(`content-type: ${JSON_TYPE}`, `content-length: ${text.length}`)}${text}garbage\r\n\r\n`,
      ),
      expect: complete,
    },
    {
      name: 'space around the JSON',
      does: body(JSON_TYPE, `\n${pretty}\n\n`),
      expect: { ...complete, bytes: `\n${pretty}\n\n` },
    },
    { name: 'JSON under another content-type', does: body('text/plain', text), expect: complete },
    {
      name: 'an answer of two megabytes',
      does: body(JSON_TYPE, huge),
      expect: { ...complete, bytes: huge, text: hugeText },
    },
  ];
}

/** OpenRouter answers 200 with the error in the choice that failed, beside what it has of an answer. */
function chatErrors(api: Api): Fault[] {
  const message = 'The model melted';
  const choice = {
    index: 0,
    message: { role: 'assistant', content: 'Hel' },
    finish_reason: 'error',
    error: { code: 502, message },
  };
  return [
    {
      name: 'half an answer with an error in its choice',
      does: json({ ...api.answer, choices: [choice] }),
      expect: refusal(502, null, '502', message, { attemptStatus: 200 }),
    },
  ];
}

function responseErrors(): Fault[] {
  const incomplete = JSON.stringify(incompleteResponse);
  return [
    {
      name: 'a response that failed',
      does: json(failedResponse),
      expect: refusal(502, JSON.stringify(failedResponse), 'server_error', 'The model melted', {
        attemptStatus: 200,
      }),
    },
    {
      name: 'a response that reached its token limit',
      does: json(incompleteResponse),
      expect: { ends: 'complete', bytes: incomplete, ending: 'incomplete' },
    },
  ];
}
