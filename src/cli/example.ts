import type { Config, KeyConfig } from '../config.js';
import type { ProviderType } from '../upstream/presets.js';
import type { Loaded } from './load.js';
import { variableIn } from './summary.js';

/** A small chat model of each hosted provider, for an example when none is declared. No request is routed by it. */
const sampleModels: Partial<Record<ProviderType, string>> = {
  openai: 'gpt-4o-mini',
  openrouter: 'openrouter/auto',
  groq: 'llama-3.1-8b-instant',
  cerebras: 'gpt-oss-120b',
  google: 'gemini-flash-latest',
};

/** Lines that show how to send a first request, with a command to paste into a shell. */
export function exampleLines(loaded: Loaded, url: string): string[] {
  const { config, options } = loaded;
  const key = config.keys.find(({ scopes }) => scopes.includes('proxy')) ?? null;
  if (key === null && config.keys.length > 0) {
    return ['No key has the scope "proxy", so nobody can send requests yet.'];
  }
  const { model, note } = exampleModel(config, key);
  const secret = key === null ? null : secretVariable(config, options.keys, key);
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] });
  const command = [
    `curl ${url}/v1/chat/completions`,
    "-H 'content-type: application/json'",
    ...(secret === null ? [] : [`-H "authorization: Bearer $${secret.name}"`]),
    `-d ${quoted(body)}`,
  ].join(' ');
  const notes = [note, secret?.note ?? null].filter((line) => line !== null);
  return [`Try it${notes.length === 0 ? '' : ` (${notes.join('; ')})`}:`, '', `  ${command}`];
}

interface Example {
  model: string;
  /** What the reader has to know or to do for it to work. */
  note: string | null;
}

/** A route before a declared model before a guess; chat before embeddings. */
function exampleModel({ routes, defaultRoute, providers }: Config, key: KeyConfig | null): Example {
  const all = Object.values(providers);
  const routed = key?.routes ?? [...(defaultRoute === null ? [] : [defaultRoute]), ...Object.keys(routes)];
  const declared = all.flatMap(({ name, models }) => Object.keys(models).map((id) => `${name}/${id}`));
  const certain = key?.routes ? routed : [...routed, ...declared];
  const model = certain.find((candidate) => !/embed/i.test(candidate)) ?? certain[0];
  if (model !== undefined) return { model, note: null };
  for (const { name, type } of all) {
    const sample = sampleModels[type];
    if (sample !== undefined) return { model: `${name}/${sample}`, note: `or any other model of ${name}` };
  }
  const open = all[0]?.name ?? 'provider';
  return { model: `${open}/MODEL`, note: `with a model of ${open} in place of MODEL` };
}

/** The shell variable to take the key from: the one in the configuration, else one for the reader to set. */
function secretVariable(config: Config, written: Loaded['options']['keys'], key: KeyConfig) {
  const variable = variableIn(written?.[config.keys.indexOf(key)]?.key);
  if (variable !== null) return { name: variable, note: null };
  return { name: 'LLM_GATEWAY_KEY', note: `with the key "${key.name}" in the variable LLM_GATEWAY_KEY` };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
