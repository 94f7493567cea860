import { isRecord, recordOf } from '../stream/json.js';
import { readEvents, type StoredEvent } from './events.js';
import { mergeDelta } from './merge.js';
import { createResponse } from './response.js';

/** Puts the events of one kind of stream together. */
export interface Assembler {
  add(event: StoredEvent): void;
  /** The answer as the same request would have had it without a stream; null when nothing of it came. */
  result(): Record<string, unknown> | null;
}

/** Final events that carry the whole answer, of the streams that have no other way to tell it. */
const WHOLE_EVENTS = /^(transcript\.text\.done|image_generation\.completed|image_edit\.completed)$/;

/**
 * The answer that a stream of server-sent events made up, as JSON: a chat or text completion, a response, or the final
 * event of another API. An answer that broke off is what there was of it. Null when the events are of no known kind.
 */
export function assemble(stream: Buffer): Buffer | null {
  const completion = createCompletion();
  const response = createResponse();
  let whole: Record<string, unknown> | null = null;
  let error: unknown;
  readEvents(stream, (event) => {
    if (!isRecord(event.data)) return;
    if ('error' in event.data && event.data.error !== null) error = event.data.error;
    if (WHOLE_EVENTS.test(String(event.data.type))) whole = event.data;
    completion.add(event);
    response.add(event);
  });
  const answer = response.result() ?? completion.result() ?? whole;
  if (answer === null) return error === undefined ? null : bytesOf({ error });
  return bytesOf(error === undefined || 'error' in answer ? answer : { ...answer, error });
}

function bytesOf(answer: Record<string, unknown>): Buffer {
  return Buffer.from(JSON.stringify(answer));
}

/** Chat completions, and the text completions before them. */
function createCompletion(): Assembler {
  const choices = new Map<unknown, Record<string, unknown>>();
  let head: Record<string, unknown> | null = null;

  function addChoice(chunk: Record<string, unknown>): void {
    const { delta, ...rest } = chunk;
    const choice = choices.get(chunk.index) ?? {};
    choices.set(chunk.index, choice);
    mergeDelta(choice, isRecord(delta) ? { ...rest, message: delta } : rest);
  }

  return {
    add({ data }) {
      const { choices: chunks, error: _, ...rest } = recordOf(data);
      if (!Array.isArray(chunks)) return;
      // Padding against guesses of a chunk's content by its length.
      delete rest.obfuscation;
      head = { ...head, ...withoutNulls(rest, head) };
      for (const chunk of chunks) if (isRecord(chunk)) addChoice(chunk);
    },
    result() {
      if (head === null) return null;
      const object = head.object === 'chat.completion.chunk' ? 'chat.completion' : head.object;
      return {
        ...head,
        ...(object !== undefined && { object }),
        choices: [...choices.values()].map(finished),
      };
    },
  };
}

/** A null in a later chunk takes nothing back. */
function withoutNulls(members: Record<string, unknown>, before: Record<string, unknown> | null) {
  return Object.fromEntries(
    Object.entries(members).filter(([name, value]) => value !== null || before?.[name] === undefined),
  );
}

/** In a message that is whole, tool calls have no index. */
function finished(choice: Record<string, unknown>): Record<string, unknown> {
  const { message } = choice;
  if (!isRecord(message) || !Array.isArray(message.tool_calls)) return choice;
  const calls = message.tool_calls.map((call: unknown) => {
    const { index: _, ...rest } = recordOf(call);
    return rest;
  });
  return { ...choice, message: { ...message, tool_calls: calls } };
}
