/** A list such as `100, 100;w=60` begins with the limit in force (draft-ietf-httpapi-ratelimit-headers-06, 3.1). */
const leadingNumber = /^\s*(\d+(?:\.\d+)?)\s*(?:[,;]|$)/;

/** A count that a provider sends: a whole number from zero; null for -1, text, lists of headers, and absurdities. */
export function countOf(value: string | string[] | undefined): number | null {
  if (typeof value !== 'string') return null;
  const found = leadingNumber.exec(value);
  if (found === null) return null;
  const count = Math.floor(Number(found[1]));
  return Number.isSafeInteger(count) ? count : null;
}
