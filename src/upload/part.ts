import { malformed } from './error.js';
import { type Parameter, parseParameters } from './parameters.js';

const plainEncodings = new Set(['7bit', '8bit', 'binary']);

/**
 * Which of the `wanted` fields a part is, by its header block (without the blank line), or null for any other part.
 *
 * Names are compared in every way a server may read them: as sent, unescaped, percent-decoded, and as `name*` (which RFC
 * 7578 forbids and some servers decode). So no spelling of `model` gets past the gateway to a server that knows it.
 *
 * @throws UploadError of kind `malformed`
 */
export function wantedField(block: string, wanted: ReadonlySet<string>): string | null {
  const headers = parseHeaders(block);
  const disposition = headers.get('content-disposition');
  const parsed = disposition === undefined ? null : parseParameters(disposition);
  if (parsed === null) throw malformed('A part of the form has no valid content-disposition header.');
  const { parameters } = parsed;
  if (new Set(parameters.map(({ name }) => name)).size < parameters.length)
    throw malformed('The content-disposition header of a part names a parameter twice.');
  if (parameters.some(({ name }) => /^name\*\d/.test(name)))
    throw malformed('The name of a part is split into continuations, which forms do not have (RFC 7578).');
  const names = parameters.filter(({ name }) => name === 'name' || name === 'name*');
  if (names.length === 0) throw malformed('A part of the form has no name.');
  const field = names.flatMap(readings).find((name) => wanted.has(name));
  if (field === undefined) return null;
  if (parameters.some(({ name }) => name.startsWith('filename')))
    throw malformed(`The form field \`${field}\` must be text, not a file.`, field);
  const encoding = headers.get('content-transfer-encoding')?.trim().toLowerCase() ?? 'binary';
  if (!plainEncodings.has(encoding))
    throw malformed(`The form field \`${field}\` must be sent without content-transfer-encoding.`, field);
  return field;
}

function readings({ name, raw, value }: Parameter): string[] {
  if (name === 'name') return [raw, value, percentDecoded(value)];
  // RFC 5987: charset'language'text
  return [value, percentDecoded(value.replace(/^[^']*'[^']*'/, ''))];
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Header values by lower-case name; folded lines are joined. */
function parseHeaders(block: string): Map<string, string> {
  const headers = new Map<string, string>();
  if (block === '') return headers;
  for (const line of block.replaceAll(/\r\n(?=[ \t])/g, '').split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).trimEnd().toLowerCase();
    // A lone CR or LF ends a line for some readers and not for others.
    if (name === '' || /\s/.test(name) || /[\r\n\0]/.test(line))
      throw malformed('A part of the form has a malformed header.');
    if (headers.has(name)) throw malformed('A part of the form has the same header twice.');
    headers.set(name, line.slice(colon + 1));
  }
  return headers;
}
