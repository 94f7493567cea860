import createError, { type FastifyErrorConstructor } from '@fastify/error';

/** Thrown for a configuration that cannot be used; the message has one line for each problem. */
export const ConfigError: FastifyErrorConstructor<
  { code: 'LLM_GATEWAY_INVALID_CONFIG'; statusCode: 500 },
  [string]
> = createError('LLM_GATEWAY_INVALID_CONFIG', '%s', 500);
export type ConfigError = InstanceType<typeof ConfigError>;

/** Where a value stands: property names and array indices from the root. */
export type Path = readonly (string | number)[];

/** Collects what is wrong, so that all of it can be said at once. */
export interface Problems {
  /** `message` continues the path: `must be a URL, got "x"`. */
  add(path: Path, message: string): void;
  /** Whether something is wrong at this path or below it. */
  under(path: Path): boolean;
  /** Throws a ConfigError when there is any problem. */
  throwIfAny(): void;
}

export function collectProblems(): Problems {
  const found: { path: Path; line: string }[] = [];
  return {
    add(path, message) {
      const line = `${formatPath(path)} ${message}`;
      if (!found.some((problem) => problem.line === line)) found.push({ path, line });
    },
    under: (path) => found.some((problem) => path.every((step, index) => problem.path[index] === step)),
    throwIfAny() {
      if (found.length > 0) throw new ConfigError(found.map((problem) => problem.line).join('\n'));
    },
  };
}

/** `providers.groq.models["llama-3.1-8b"].price`, `keys[0].name`; the root is `the configuration`. */
export function formatPath(path: Path): string {
  const [first, ...rest] = path;
  if (first === undefined) return 'the configuration';
  return rest.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return /^[\w-]+$/.test(step) ? `${text}.${step}` : `${text}[${JSON.stringify(step)}]`;
  }, String(first));
}

/** The candidate that was probably meant: equal but for case and separators, or at most two edits away. */
export function closest(word: string, candidates: readonly string[]): string | null {
  const plain = (text: string) => text.toLowerCase().replace(/[-_]/g, '');
  let best: { candidate: string; distance: number } | null = null;
  for (const candidate of candidates) {
    const distance = editDistance(plain(word), plain(candidate));
    const limit = Math.min(2, Math.floor(candidate.length / 2));
    if (distance <= limit && (best === null || distance < best.distance)) best = { candidate, distance };
  }
  return best?.candidate ?? null;
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
