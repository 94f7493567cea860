import { hideCredentials, isCredentialName } from './credentials.js';
import { isNumber, isString, scanJson } from './scan.js';

export interface RedactionRules {
  /** Paths of values to leave out, such as `messages.*.content`; `*` is any one name or index. */
  readonly paths: readonly string[];
  /** Texts that are credentials whatever they look like: the gateway's own keys and its providers'. */
  readonly secrets: readonly string[];
}

/** Takes a body and returns it without what must not be stored; the very same one when there is nothing of it. */
export type Redactor = (body: Buffer) => Buffer;

/** Servers on one's own machine are given words as keys, `ollama` for one, which texts are full of. */
const SECRET_LENGTH = 12;

/** Stands for a value in JSON. */
const HIDDEN_VALUE = '"[redacted]"';

/**
 * A redactor of bodies: values at the configured paths, members with a credential's name, and everything in the text
 * that looks like a credential. What is left keeps its bytes. About 5 ms per megabyte: not for the event loop.
 */
export function createRedactor({ paths, secrets }: RedactionRules): Redactor {
  const patterns = paths.map((path) => path.split('.'));
  const known = secrets
    .filter((secret) => secret.length >= SECRET_LENGTH)
    .map((secret) => Buffer.from(secret).toString('latin1'));
  return (body) => {
    const text = body.toString('latin1');
    const shown = hideCredentials(withoutValues(text, patterns), known);
    return shown === text ? body : Buffer.from(shown, 'latin1');
  };
}

function withoutValues(text: string, patterns: readonly (readonly string[])[]): string {
  /** At each depth the patterns that lead to what is there. */
  const leading: (readonly (readonly string[])[])[] = [[], patterns];
  const kept: string[] = [];
  let from = 0;

  scanJson(text, {
    enter(name, depth, first) {
      const key = String(name);
      const matching = (leading[depth] ?? []).filter(
        (pattern) => pattern[depth - 1] === '*' || pattern[depth - 1] === key,
      );
      leading[depth + 1] = matching;
      if (matching.some((pattern) => pattern.length === depth)) return 'take';
      const secret =
        typeof name === 'string' && (isString(first) || isNumber(first)) && isCredentialName(name);
      return secret ? 'take' : 'into';
    },
    take(start, end) {
      kept.push(text.slice(from, start), HIDDEN_VALUE);
      from = end;
    },
  });
  return kept.length === 0 ? text : kept.join('') + text.slice(from);
}
