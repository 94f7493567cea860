import { isRecord, recordOf } from '../stream/json.js';
import type { Assembler } from './assemble.js';

/** The responses API: its last event repeats the whole answer, and until then every finished part is repeated. */
export function createResponse(): Assembler {
  const items = new Map<unknown, Record<string, unknown>>();
  const texts = new Map<unknown, string>();
  let response: Record<string, unknown> | null = null;

  return {
    add({ event, data }) {
      const body = recordOf(data);
      const type = typeof body.type === 'string' ? body.type : (event ?? '');
      if (!type.startsWith('response.')) return;
      if (isRecord(body.response)) response = body.response;
      if (type.startsWith('response.output_item.') && isRecord(body.item))
        items.set(body.output_index, body.item);
      if (type === 'response.output_text.delta' && typeof body.delta === 'string') {
        texts.set(body.output_index, (texts.get(body.output_index) ?? '') + body.delta);
      }
    },
    result() {
      if (response === null) return null;
      const { output } = response;
      if (Array.isArray(output) && output.length > 0) return response;
      return { ...response, output: [...items].map(([index, item]) => begun(item, texts.get(index))) };
    },
  };
}

/** An item that was announced and never finished, with the text that came of it. */
function begun(item: Record<string, unknown>, text: string | undefined): Record<string, unknown> {
  const { content } = item;
  if (text === undefined || (Array.isArray(content) && content.length > 0)) return item;
  return { ...item, content: [{ type: 'output_text', text }] };
}
