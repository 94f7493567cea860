import { statSync } from 'node:fs';

/** Which file a path leads to now. */
export interface Place {
  /** Whether the path leads to another file than it did, or to none: it was deleted or replaced. */
  moved(): boolean;
}

/** Remembers the file at `path`, which is open. A connection goes on writing to a file that was deleted. */
export function placeOf(path: string): Place {
  if (path === ':memory:') return { moved: () => false };
  const before = identify(path);
  return { moved: () => identify(path) !== before };
}

/** About 3 us. */
function identify(path: string): string | null {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? null : `${found.dev}:${found.ino}`;
}
