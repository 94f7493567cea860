/** One `; name=value` of a header. */
export interface Parameter {
  /** In lower case. */
  name: string;
  /** Without quotes, as it was sent. */
  raw: string;
  /** With the backslashes of a quoted string resolved (RFC 2045, section 5.1). */
  value: string;
}

const PARAMETER = /[ \t]*;[ \t]*([^\s=;"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/y;
const REST = /[ \t]*;?[ \t]*$/y;

/**
 * A header's value (`form-data; name="model"`) in its parts, or null when it is not written as RFC 2045 says. Nothing is
 * guessed: a reader that understands the same bytes differently could see another form.
 */
export function parseParameters(header: string): { type: string; parameters: Parameter[] } | null {
  const type = /^[ \t]*([^\s;=",]+)/.exec(header);
  if (type?.[1] === undefined) return null;
  const parameters: Parameter[] = [];
  let at = type[0].length;
  for (;;) {
    PARAMETER.lastIndex = at;
    const match = PARAMETER.exec(header);
    if (match === null) break;
    const [, name = '', quoted, bare = ''] = match;
    const raw = quoted ?? bare;
    parameters.push({ name: name.toLowerCase(), raw, value: raw.replaceAll(/\\(.)/g, '$1') });
    at = PARAMETER.lastIndex;
  }
  REST.lastIndex = at;
  return REST.test(header) ? { type: type[1].toLowerCase(), parameters } : null;
}
