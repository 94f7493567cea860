import type { ProviderConfig } from '../config.js';

const HIDDEN = '***';

/** Some providers repeat the key they were given in their error text: neither a caller nor the ledger reads it. */
export function hideSecret(text: string, provider: Pick<ProviderConfig, 'apiKey'>): string {
  const { apiKey } = provider;
  return apiKey === null || apiKey === '' ? text : text.replaceAll(apiKey, HIDDEN);
}
