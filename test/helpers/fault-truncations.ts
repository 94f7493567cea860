import type { Api } from './apis.js';
import { events, head, piece, raw } from './fault-scripts.js';
import { type After, brokenOff, type Fault, SOON_MS } from './faults.js';

/** What happens to a stream after its first content: no other target may be asked any more. */
export function afterContent(api: Api): Fault[] {
  const [first = '', second = ''] = api.content;
  const one = [...api.announcement, first].join('');
  const two = one + second;
  const halfEvent = second.slice(0, second.length / 2);
  const incomplete = (sent: string, text: string) => brokenOff('upstream_incomplete', sent, text);
  const cut = (sent: string, text: string) => brokenOff('upstream_reset', sent, text);
  return [
    ...errorsAfterContent(api),
    { name: 'a reset after the first content', does: events([one], 'reset'), expect: cut(one, 'Hello') },
    { name: 'a reset after all content', does: events([two], 'reset'), expect: cut(two, api.text) },
    {
      name: 'a reset in the middle of an event',
      does: events([one, halfEvent], 'reset'),
      expect: cut(one, 'Hello'),
    },
    { name: 'chunks without a last one', does: events([one], 'end'), expect: cut(one, 'Hello') },
    { name: 'an end after the first content', does: events([one]), expect: incomplete(one, 'Hello') },
    { name: 'an end after all content', does: events([two]), expect: incomplete(two, api.text) },
    {
      name: 'an end in the middle of an event',
      does: events([one, halfEvent]),
      expect: incomplete(one, 'Hello'),
    },
    {
      name: 'a connection that ends with the first content',
      does: raw(head('content-type: text/event-stream') + one),
      expect: incomplete(one, 'Hello'),
    },
    {
      name: 'broken chunks after content',
      does: raw(
        `${head('content-type: text/event-stream', 'transfer-encoding: chunked')}${piece(one)}zz\r\n`,
      ),
      expect: brokenOff('upstream_invalid', one, 'Hello'),
    },
    {
      name: 'content, and then nothing',
      does: events([one], 'stay'),
      timeouts: { idle: 150 },
      expect: brokenOff('idle_timeout', one, 'Hello'),
    },
    {
      name: 'content, and nothing more within the total time',
      does: events([one], 'stay'),
      timeouts: { total: SOON_MS },
      expect: brokenOff('total_timeout', one, 'Hello'),
    },
    {
      name: 'a malformed event after content',
      does: events([one, malformed(api), ...api.closing]),
      expect: brokenOff('upstream_invalid', one, 'Hello'),
    },
    {
      name: 'a malformed event after much content',
      does: events([two, second, second, malformed(api), ...api.closing]),
      expect: brokenOff('upstream_invalid', two + second + second, `${api.text} there there`),
    },
  ];
}

function errorsAfterContent(api: Api): Fault[] {
  const one = [...api.announcement, ...api.content.slice(0, 1)].join('');
  const error = { message: 'Overloaded', code: 'oops' };
  const event = `data: ${JSON.stringify({ error })}\n\n`;
  const bare = `event: error\ndata: ${JSON.stringify({ type: 'error', ...error, param: null })}\n\n`;
  const byUpstream: After = {
    ends: 'after',
    endReason: 'upstream_error',
    bytes: () => one + event,
    text: 'Hello',
    code: 'oops',
    error: { code: 'oops', message: 'Overloaded' },
  };
  return [
    { name: 'an error event after content', does: events([one, event]), expect: byUpstream },
    {
      name: 'an error event after content, and then a reset',
      does: events([one, event], 'reset'),
      expect: byUpstream,
    },
    {
      name: 'an error event after content, and [DONE] all the same',
      does: events([one, event, 'data: [DONE]\n\n']),
      expect: byUpstream,
    },
    {
      // The official client knows an error by its key, not by its event's type, and would take the end for the answer's.
      name: 'an error event by its type alone after content',
      does: events([one, bare]),
      expect: {
        ...brokenOff('upstream_error', one + bare, 'Hello'),
        error: { code: 'oops', message: 'Overloaded' },
      },
    },
    {
      name: 'an error event of text after content',
      does: events([one, 'event: error\ndata: Overloaded\n\n']),
      expect: {
        ...brokenOff('upstream_error', one, 'Hello'),
        error: { code: 'upstream_error', message: 'Overloaded' },
      },
    },
  ];
}

/** A content event whose JSON was cut, in an event that is whole. */
export function malformed(api: Api): string {
  return `${api.delta('lost').slice(0, -6)}\n\n`;
}
