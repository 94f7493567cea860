import type { ProviderConfig } from '../config.js';

type Holder = Pick<ProviderConfig, 'apiKey'>;

const HIDDEN = '***';

/** Some providers repeat the key they were given in their error text: neither a caller nor the ledger reads it. */
export function hideSecret(text: string, provider: Holder): string {
  return spellings(provider).reduce((left, spelling) => left.replaceAll(spelling, HIDDEN), text);
}

/** The same for bytes: the very same Buffer when the key is not in it. */
export function withoutSecret(bytes: Buffer, provider: Holder): Buffer {
  if (!spellings(provider).some((spelling) => bytes.includes(spelling))) return bytes;
  return Buffer.from(hideSecret(bytes.toString('utf8'), provider));
}

/** Whether the key is in a text. */
export function hasSecret(text: string, provider: Holder): boolean {
  return spellings(provider).some((spelling) => text.includes(spelling));
}

/** The key as it is, and as JSON may have it: some encoders escape `/`. */
function spellings({ apiKey }: Holder): string[] {
  if (apiKey === null || apiKey === '') return [];
  if (!/["\\/]/.test(apiKey)) return [apiKey];
  const json = JSON.stringify(apiKey).slice(1, -1);
  return [json.replaceAll('/', '\\/'), json, apiKey];
}
