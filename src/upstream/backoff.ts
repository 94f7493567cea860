const FIRST_MS = 250;
const MAX_MS = 8_000;
/** A target that asks for more than this is not waited for: the caller's own patience decides. */
const MAX_ASKED_MS = 10_000;

/**
 * Milliseconds before the targets of an exchange are tried again: half of 250 ms, 500 ms, 1 s … is certain, the other
 * half up to chance, so that many exchanges do not come back at once. `asked` is what the last target asked for; null
 * when it asks for longer than anybody should wait here.
 */
export function backoff(round: number, asked: number | null, random: number): number | null {
  if (asked !== null && asked > MAX_ASKED_MS) return null;
  const longest = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(round, 20));
  return Math.max(asked ?? 0, Math.round(longest * (0.5 + random / 2)));
}
