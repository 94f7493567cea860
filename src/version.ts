import { readFileSync } from 'node:fs';

/**
 * The version of this package, from its manifest. It is found through the package's own name, because this file is at
 * another distance from it in `src/` than in `dist/src/`.
 */
export function packageVersion(): string {
  const text = readFileSync(new URL(import.meta.resolve('fastify-llm-gateway/package.json')), 'utf8');
  const manifest: { version: string } = JSON.parse(text);
  return manifest.version;
}
