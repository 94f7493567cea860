import { type Api, failedResponse, incompleteResponse, responseEvent } from './apis.js';
import { afterProvisional, body, cutUp, dripping, events, head, piece, raw } from './fault-scripts.js';
import { afterContent, malformed } from './fault-truncations.js';
import { brokenOff, type Complete, type Fault, refusal, SOON_MS, unusable } from './faults.js';
import { json } from './upstream.js';

const SSE = 'text/event-stream';
const MB = 1024 * 1024;
const chunked = head(`content-type: ${SSE}`, 'transfer-encoding: chunked');

/** What happens to an answer to a request for a stream. */
export function streamFaults(api: Api): Fault[] {
  return [
    ...completeStreams(api),
    ...(api.name === 'chat' ? chatEndings(api) : responseEndings(api)),
    ...beforeContent(api),
    ...errorsBeforeContent(api),
    ...afterContent(api),
  ];
}

function completeStreams(api: Api): Fault[] {
  const { announcement, content, closing, delivered } = api;
  const all = [...announcement, ...content, ...closing];
  const whole = all.join('');
  const complete: Complete = {
    ends: 'complete',
    bytes: [...announcement, ...content, ...delivered].join(''),
  };
  const hugeText = 'x'.repeat(2 * MB);
  const huge = [...announcement, api.delta(hugeText)];
  const crlf = (text: string) => text.replaceAll('\n', '\r\n');
  return [
    { name: 'a stream as it should be', does: events(all), expect: complete },
    {
      name: 'a slow drip',
      does: dripping(SSE, cutUp(whole, Math.ceil(whole.length / 16)), 40),
      timeouts: { idle: 500 },
      expect: complete,
    },
    { name: 'a stream in pieces of seven bytes', does: dripping(SSE, cutUp(whole, 7), 0), expect: complete },
    {
      name: 'line ends of two characters',
      does: events([crlf(whole)]),
      expect: { ...complete, bytes: crlf(complete.bytes) },
    },
    { name: 'provisional answers before the stream', does: afterProvisional(events(all)), expect: complete },
    { name: 'a connection that stays open after the end', does: events(all, 'stay'), expect: complete },
    { name: 'a reset after the end', does: events(all, 'reset'), expect: complete },
    {
      name: 'a stream that ends with the connection',
      does: raw(head(`content-type: ${SSE}`) + whole),
      expect: complete,
    },
    {
      name: 'one event of two megabytes',
      does: events([...huge, ...closing]),
      expect: { ...complete, bytes: [...huge, ...delivered].join(''), text: hugeText },
    },
  ];
}

function chatEndings(api: Api): Fault[] {
  const [finish = '', usage = '', done = ''] = api.closing;
  const begun = [...api.announcement, ...api.content].join('');
  const all = begun + finish + usage + done;
  const text = begun + finish;
  const late = 'data: {"error":{"message":"late"}}\n\n{{{';
  const failed =
    'data: {"choices":[{"delta":{},"finish_reason":"error"}],"error":{"message":"x","code":502}}\n\n';
  return [
    {
      name: 'a finish reason and no [DONE]',
      does: events([text]),
      expect: { ends: 'complete', bytes: text, usage: 'estimated' },
    },
    { name: 'usage and no [DONE]', does: events([text + usage]), expect: { ends: 'complete', bytes: text } },
    {
      name: '[DONE] and no finish reason',
      does: events([begun + done]),
      expect: { ends: 'complete', bytes: begun + done, ending: null, usage: 'estimated' },
    },
    {
      name: 'a reset after the finish reason',
      does: events([text], 'reset'),
      expect: brokenOff('upstream_reset', text, api.text),
    },
    {
      name: 'garbage after [DONE], in the same breath',
      does: events([all + late]),
      expect: { ends: 'complete', bytes: text + done, tail: late },
    },
    {
      name: 'garbage after [DONE], a moment later',
      does: dripping(SSE, [all, 'data: {{{', '\n\n\xff\n\n'], 5),
      expect: { ends: 'complete', bytes: text + done },
    },
    {
      name: 'a finish reason of error and the error',
      does: events([begun, failed]),
      expect: {
        ends: 'after',
        endReason: 'upstream_error',
        bytes: () => begun + failed,
        text: api.text,
        code: '502',
        error: { code: '502', message: 'x' },
      },
    },
  ];
}

function responseEndings(api: Api): Fault[] {
  const begun = [...api.announcement, ...api.content].join('');
  const failed = responseEvent('response.failed', { response: failedResponse });
  const incomplete = responseEvent('response.incomplete', { response: incompleteResponse });
  const error = { code: 'server_error', message: 'The model melted' };
  return [
    {
      name: 'a response that failed before content',
      does: events([...api.announcement, failed]),
      expect: refusal(502, null, error.code, error.message, { attemptStatus: 200 }),
    },
    {
      // The event is the API's own word for it, and its clients wait for it.
      name: 'a response that failed after content',
      does: events([begun, failed]),
      expect: {
        ends: 'after',
        endReason: 'upstream_error',
        bytes: () => begun + failed,
        text: api.text,
        code: null,
        error,
      },
    },
    {
      name: 'a response that reached its token limit',
      does: events([begun, incomplete]),
      expect: { ends: 'complete', bytes: begun + incomplete, ending: 'incomplete' },
    },
    {
      name: 'everything but the last event',
      does: events([begun, ...api.closing.slice(0, -1)]),
      expect: brokenOff('upstream_incomplete', begun + api.closing.slice(0, -1).join(''), api.text),
    },
    {
      name: 'garbage after the last event',
      does: dripping(SSE, [begun + api.closing.join(''), 'data: {{{', '\n\n\xff\n\n'], 5),
      expect: { ends: 'complete', bytes: begun + api.closing.join('') },
    },
  ];
}

function beforeContent(api: Api): Fault[] {
  const { announcement } = api;
  const timeouts = { firstByte: SOON_MS };
  const stalled = unusable('first_byte_timeout', 200);
  const incomplete = unusable('upstream_incomplete', 200);
  return [
    { name: 'headers, and then nothing', does: events([], 'stay'), timeouts, expect: stalled },
    {
      name: 'an announcement, and then nothing',
      does: events(announcement, 'stay'),
      timeouts,
      expect: stalled,
    },
    {
      name: 'an announcement, and nothing within the total time',
      does: events(announcement, 'stay'),
      timeouts: { total: SOON_MS },
      expect: unusable('total_timeout', 200),
    },
    {
      name: 'an announcement, and then a reset',
      does: events(announcement, 'reset'),
      expect: unusable('upstream_reset', 200),
    },
    { name: 'an announcement, and then the end', does: events(announcement), expect: incomplete },
    { name: 'a stream of nothing', does: events([]), expect: incomplete },
    { name: 'a stream of comments', does: events([': ping\n\n', ': ping\n\n']), expect: incomplete },
    {
      name: 'a malformed event before content',
      does: events([...announcement, malformed(api), ...api.closing]),
      expect: unusable('upstream_invalid', 200),
    },
    {
      name: 'an announcement in broken chunks',
      does: raw(`${chunked}${piece(announcement.join(''))}zz\r\n`),
      expect: unusable('upstream_invalid', 200),
    },
    {
      name: 'a whole JSON answer instead',
      does: json(api.answer),
      expect: unusable('upstream_invalid', 200),
    },
    {
      name: 'a stream that is called JSON',
      does: body('application/json', [...announcement, ...api.content, ...api.closing].join('')),
      expect: unusable('upstream_invalid', 200),
    },
  ];
}

function errorsBeforeContent(api: Api): Fault[] {
  const message = 'Overloaded';
  const inside: [what: string, event: string, status: number, code: string, body: string | null][] = (
    [
      ['an error event', { message, code: 'oops' }, 502, 'oops'],
      ['an error event with the code 503', { message, code: 503 }, 503, '503'],
      ['an error event with the status 429', { message, status: 429 }, 429, 'http_429'],
      ['an error event with the code 400', { message, code: '400' }, 400, '400'],
    ] as const
  ).map(([what, error, status, code]) => {
    const data = JSON.stringify({ error });
    return [what, `data: ${data}\n\n`, status, code, data];
  });
  // Without `error` at its top a client would read no error in it.
  inside.push(
    [
      'an error event by its type alone',
      `event: error\ndata: {"message":"${message}"}\n\n`,
      502,
      'http_502',
      null,
    ],
    ['an error event of text', `event: error\ndata: ${message}\n\n`, 502, 'http_502', null],
  );
  return inside.map(([what, event, status, code, expectedBody]) => ({
    name: `${what} before content`,
    does: events([...api.announcement, event]),
    expect: refusal(status, expectedBody, code, message, {
      attemptStatus: 200,
      ...(status === 429 && { retryAfter: [5, 5] as const }),
      ...(status === 400 && { final: true }),
    }),
  }));
}
