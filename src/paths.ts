/** How many segments a prefix has. A parameter in it is as long as its value, so characters would not do. */
export function depthOf(prefix: string): number {
  return prefix.split('/').filter((segment) => segment !== '').length;
}

/**
 * A URL's path without its first segments: `/ai/v1/models` without one is `/v1/models`. A query string stays. The host
 * that a request to a proxy names (RFC 9112, 3.2.2) is nobody's business here, and is left out.
 */
export function withoutSegments(url: string, count: number): string {
  const path = url.startsWith('/') ? url : url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '') || '/';
  let start = 0;
  for (let left = count; left > 0 && start !== -1; left--) start = path.indexOf('/', start + 1);
  return start === -1 ? '/' : path.slice(start) || '/';
}

/** The path of a URL, without its query string. */
export function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}

/** The query string with its `?`, or nothing. */
export function queryOf(url: string): string {
  const query = url.indexOf('?');
  return query === -1 ? '' : url.slice(query);
}

/** Servers decode once, some twice; what is encoded more often than this is meant to get past somebody. */
const MAX_ENCODINGS = 4;

/** A path as the most obliging server may read it: decoded until nothing is left to decode. Null: it hides something. */
export function plainPath(path: string): string | null {
  let plain = path;
  for (let round = 0; plain.includes('%'); round++) {
    if (round === MAX_ENCODINGS) return null;
    try {
      const decoded = decodeURIComponent(plain);
      if (decoded === plain) break;
      plain = decoded;
    } catch {
      return null;
    }
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\0-\x1f\x7f]/.test(plain) ? null : plain;
}

/**
 * Whether a path could lead out of the folder it is appended to: a dot segment, plain or percent-encoded, once or
 * more often, also with a parameter (`..;x`), or something that hides what it says.
 */
export function leavesItsFolder(path: string): boolean {
  const plain = plainPath(path);
  return plain === null || segmentsOf(plain).some((segment) => segment === '.' || segment === '..');
}

/** The segments of a plain path without their parameters, as servers that know these see them. */
export function segmentsOf(plain: string): string[] {
  return plain.split(/[/\\]/).map((segment) => segment.split(';', 1)[0]?.trim() ?? '');
}
