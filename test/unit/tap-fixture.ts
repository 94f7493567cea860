import { createTap, type StreamFacts, type TapOptions } from '../../src/stream/tap.js';

export const KEEP: TapOptions = { stripUsage: false };
export const STRIP: TapOptions = { stripUsage: true };

export const ROLE = {
  id: 'c1',
  model: 'm1',
  choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
};
export const STOP = { id: 'c1', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
export const USAGE = {
  id: 'c1',
  choices: [],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
};

export function delta(fields: object): object {
  return { id: 'c1', model: 'm1', choices: [{ index: 0, delta: fields, finish_reason: null }] };
}

export function sse(...events: unknown[]): string {
  return events
    .map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`)
    .join('');
}

export function facts(text: string, options: TapOptions = KEEP): StreamFacts {
  const tap = createTap(options);
  tap.write(Buffer.from(text));
  tap.end();
  return tap.facts;
}

export function through(chunks: Buffer[], options: TapOptions): string {
  const tap = createTap(options);
  const out = chunks.map((chunk) => tap.write(chunk));
  return Buffer.concat([...out, tap.end()]).toString('utf8');
}

export function split(bytes: Buffer, cuts: number[]): Buffer[] {
  const at = [...cuts.map((cut) => cut % (bytes.length + 1)), 0, bytes.length].sort((a, b) => a - b);
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}
