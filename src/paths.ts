/** How many segments a prefix has. A parameter in it is as long as its value, so characters would not do. */
export function depthOf(prefix: string): number {
  return prefix.split('/').filter((segment) => segment !== '').length;
}

/** A URL's path without its first segments: `/ai/v1/models` without one is `/v1/models`. A query string stays. */
export function withoutSegments(url: string, count: number): string {
  // A request for a proxy names its host as well (RFC 9112, 3.2.2).
  const path = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?#]*/i, '') || '/';
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

/**
 * Whether a path could lead out of the folder it is appended to: a dot segment, plain or percent-encoded, once or
 * more often, or something that cannot be decoded.
 */
export function leavesItsFolder(path: string): boolean {
  let decoded = path;
  for (let round = 0; round < 3 && decoded.includes('%'); round++) {
    try {
      decoded = decodeURIComponent(decoded);
    } catch {
      return true;
    }
  }
  return decoded.split(/[/\\]/).some((segment) => segment === '.' || segment === '..');
}
