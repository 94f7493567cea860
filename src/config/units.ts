/** What a duration looks like, as a regular expression. */
export const DURATION_PATTERN = '^[0-9]{1,15}(ms|s|m|h|d)$';
/** What a size looks like, as a regular expression. */
export const BYTES_PATTERN = '^[0-9]{1,15}(B|kB|MB|GB|KiB|MiB|GiB)$';

/** Longest delay a Node timer takes, in milliseconds (about 24.8 days); a longer one fires at once. */
export const MAX_TIMER = 2 ** 31 - 1;

const MILLISECONDS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

function parseQuantity(
  text: string,
  pattern: string,
  units: Readonly<Record<string, number>>,
): number | null {
  if (!new RegExp(pattern).test(text)) return null;
  const digits = Number.parseInt(text, 10);
  const factor = units[text.replace(/^[0-9]+/, '')];
  return factor === undefined ? null : digits * factor;
}

/**
 * Milliseconds of `250ms`, `30s`, `5m`, `24h` or `7d`; null for any other text.
 *
 * @example parseDuration('5m') // 300000
 */
export function parseDuration(text: string): number | null {
  return parseQuantity(text, DURATION_PATTERN, MILLISECONDS);
}

/**
 * Bytes of a size such as `512B`, `32MB` (decimal: kB, MB, GB) or `32MiB` (binary: KiB, MiB, GiB); null for any
 * other text.
 *
 * @example parseBytes('32MiB') // 33554432
 */
export function parseBytes(text: string): number | null {
  return parseQuantity(text, BYTES_PATTERN, BYTES);
}

/** An ISO 8601 day, or day and time; UTC unless it says otherwise. */
export const INSTANT_PATTERN =
  '^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,3})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?$';

const instantPattern = new RegExp(INSTANT_PATTERN);

/** Epoch milliseconds of an instant as `INSTANT_PATTERN` has it; null when it is none. */
export function parseInstantText(text: string): number | null {
  const [, time, , , zone] = instantPattern.exec(text) ?? [];
  if (!instantPattern.test(text)) return null;
  const instant = Date.parse(time !== undefined && zone === undefined ? `${text}Z` : text);
  // `Date.parse` takes the 31st of February for the 3rd of March.
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  const isDay = !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text.slice(0, 10));
  return isDay && !Number.isNaN(instant) ? instant : null;
}
