import type { Config, ProviderConfig } from '../config.js';
import { isRecord } from '../stream/json.js';

/** Keeps the lists of models of those providers that are configured to be asked. */
export interface Discovery {
  /** Begins to ask, in the background. Asks each provider at once, then every period. */
  start(): void;
  /** Ends it: no timer is left, calls under way are aborted, nothing is reported any more. */
  stop(): void;
}

/** What discovery needs and whom it tells. */
export interface DiscoveryOptions {
  readonly providers: Config['providers'];
  /** Answers the parsed body of the provider's `GET /models`; rejects when there is none. */
  fetchModels(provider: ProviderConfig, signal: AbortSignal): Promise<unknown>;
  /** A provider has said which models it has. Not called when a call fails: the last list stays. */
  onModels(provider: string, models: readonly string[]): void;
  onFailure(provider: string, error: unknown): void;
  /** From 0 to 1, as `Math.random` gives it. */
  random(): number;
}

const CALL_TIMEOUT_MS = 30_000;
const FIRST_RETRY_MS = 5_000;
const JITTER = 0.1;
const MAX_MODELS = 5000;
const MODEL_ID = /^[^\s\p{Cc}]{1,256}$/u;

/** Discovery for the providers of a configuration. */
export function createDiscovery(options: DiscoveryOptions): Discovery {
  const { fetchModels, onModels, onFailure, random } = options;
  const timers = new Map<string, NodeJS.Timeout>();
  let stopping: AbortController | null = null;

  async function ask(provider: ProviderConfig, period: number, failures: number, stop: AbortSignal) {
    const failed = (await refresh(provider, stop)) ? 0 : failures + 1;
    if (stop.aborted) return;
    const timer = setTimeout(() => ask(provider, period, failed, stop), nextDelay(period, failed, random()));
    // A list of models is no reason to keep a process alive.
    timers.set(provider.name, timer.unref());
  }

  async function refresh(provider: ProviderConfig, stop: AbortSignal): Promise<boolean> {
    try {
      const signal = AbortSignal.any([stop, AbortSignal.timeout(CALL_TIMEOUT_MS)]);
      const models = readModelIds(await fetchModels(provider, signal), provider.type);
      if (!stop.aborted) onModels(provider.name, models);
      return true;
    } catch (error) {
      if (!stop.aborted) onFailure(provider.name, error);
      return false;
    }
  }

  return {
    start() {
      if (stopping !== null) return;
      stopping = new AbortController();
      for (const provider of Object.values(options.providers)) {
        if (provider.discover !== null) void ask(provider, provider.discover, 0, stopping.signal);
      }
    },
    stop() {
      stopping?.abort();
      stopping = null;
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}

/**
 * Milliseconds until the provider is asked again: the period, or after failures in a row 5 s, 10 s, 20 s … but no more
 * than the period; a tenth more or less, so that many gateways do not ask at once.
 */
export function nextDelay(period: number, failures: number, random: number): number {
  const delay = failures === 0 ? period : Math.min(period, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 20));
  return Math.round(delay * (1 - JITTER + 2 * JITTER * random));
}

/**
 * The ids of a list in OpenAI's shape, `{"data":[{"id"}]}`, each once. What cannot be an id is left out. Throws when
 * the body is no such list.
 */
export function readModelIds(body: unknown, type: ProviderConfig['type']): readonly string[] {
  if (!isRecord(body) || !Array.isArray(body.data)) throw new Error('The answer is no list of models.');
  const ids = new Set<string>();
  for (const entry of body.data) {
    if (ids.size >= MAX_MODELS) break;
    const id = isRecord(entry) && typeof entry.id === 'string' ? entry.id : '';
    // Gemini lists "models/gemini-…" and is asked for "gemini-…".
    const name = type === 'google' ? id.replace(/^models\//, '') : id;
    if (MODEL_ID.test(name)) ids.add(name);
  }
  return [...ids];
}
