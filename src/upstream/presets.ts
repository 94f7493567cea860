/** The kinds of provider the gateway knows by name. */
export const providerTypes = [
  'openai',
  'openrouter',
  'groq',
  'cerebras',
  'google',
  'lm-studio',
  'ollama',
  'openai-compatible',
  'echo',
] as const;

/** One kind of provider. */
export type ProviderType = (typeof providerTypes)[number];

/** What is known about a kind of provider before anything is configured. */
export interface Preset {
  /** Base URL without trailing slash; null when the operator has to give one, or when there is no network. */
  readonly baseUrl: string | null;
  /** Whether `stream_options.include_usage` may be asked of it. */
  readonly streamUsage: boolean;
  /** Whether a provider of this kind is useless without an API key. */
  readonly needsKey: boolean;
  /** Environment variables that hold the key of the provider named like its type; the first set one counts. */
  readonly environment: readonly string[];
}

function hosted(baseUrl: string, ...environment: string[]): Preset {
  return { baseUrl, streamUsage: true, needsKey: true, environment };
}

function keyless(baseUrl: string | null): Preset {
  return { baseUrl, streamUsage: true, needsKey: false, environment: [] };
}

/** Every preset, hosted ones first: in this order they are looked up in the environment. */
export const presets: Readonly<Record<ProviderType, Preset>> = {
  openai: hosted('https://api.openai.com/v1', 'OPENAI_API_KEY'),
  openrouter: hosted('https://openrouter.ai/api/v1', 'OPENROUTER_API_KEY'),
  groq: hosted('https://api.groq.com/openai/v1', 'GROQ_API_KEY'),
  cerebras: hosted('https://api.cerebras.ai/v1', 'CEREBRAS_API_KEY'),
  google: hosted(
    'https://generativelanguage.googleapis.com/v1beta/openai',
    'GOOGLE_API_KEY',
    'GEMINI_API_KEY',
  ),
  'lm-studio': keyless('http://127.0.0.1:1234/v1'),
  ollama: keyless('http://127.0.0.1:11434/v1'),
  'openai-compatible': keyless(null),
  echo: keyless(null),
};
