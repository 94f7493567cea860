import type { ProviderConfig } from '../config.js';

const HIDDEN = '***';

/** Some providers repeat the key they were given in their error text: neither a caller nor the ledger reads it. */
export function hideSecret(text: string, provider: Pick<ProviderConfig, 'apiKey'>): string {
  const { apiKey } = provider;
  return apiKey === null || apiKey === '' ? text : text.replaceAll(apiKey, HIDDEN);
}

/** The same for bytes: the very same Buffer when the key is not in it. */
export function withoutSecret(bytes: Buffer, provider: Pick<ProviderConfig, 'apiKey'>): Buffer {
  const { apiKey } = provider;
  if (apiKey === null || apiKey === '' || !bytes.includes(apiKey)) return bytes;
  return Buffer.from(hideSecret(bytes.toString('utf8'), provider));
}
