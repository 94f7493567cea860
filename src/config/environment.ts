import { formatPath, type Path, type Problems } from './problems.js';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A copy of the input with every `${VAR}` replaced. */
export interface Expanded {
  readonly value: unknown;
  /** The variables a string was made from, by its formatted path. */
  readonly origins: ReadonlyMap<string, readonly string[]>;
}

// `$${`, then `${NAME}` or `${NAME:-default}`, then a `${` that is neither.
const REFERENCE = /\$\$\{|\$\{(?:([A-Za-z_]\w*)(?::-((?:(?!\$\{)[^}])*))?\})?/g;
const MAX_DEPTH = 32;

/**
 * Copies plain data deeply and replaces `${VAR}` and `${VAR:-default}` in every string value; `$${` stands for a
 * literal `${`. An empty variable counts as missing. Objects of the copy have no prototype, so that no name in them
 * can reach one.
 */
export function expandEnvironment(input: unknown, environment: Environment, problems: Problems): Expanded {
  const origins = new Map<string, readonly string[]>();

  function expand(value: unknown, path: Path, parents: readonly object[]): unknown {
    if (typeof value === 'string') return expandString(value, path);
    if (typeof value !== 'object' || value === null) return value;
    if (parents.length > MAX_DEPTH || parents.includes(value)) {
      problems.add(path, 'is nested too deeply, or contains itself');
      return null;
    }
    const inside = [...parents, value];
    if (Array.isArray(value)) return value.map((item, index) => expand(item, [...path, index], inside));
    const copy: Record<string, unknown> = Object.create(null);
    for (const [name, item] of Object.entries(value)) {
      // An option that a host app leaves undefined is an option it does not set.
      if (item !== undefined) copy[name] = expand(item, [...path, name], inside);
    }
    return copy;
  }

  function expandString(text: string, path: Path): string {
    const names: string[] = [];
    const expanded = text.replace(REFERENCE, (match: string, name?: string, fallback?: string) => {
      if (match === '$${') return '${';
      if (name === undefined) {
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the message shows the syntax
        problems.add(path, 'has a ${ that is not ${NAME} or ${NAME:-default} (write $${ for a literal one)');
        return '';
      }
      names.push(name);
      const found = (Object.hasOwn(environment, name) && environment[name]) || fallback;
      if (found === undefined) {
        problems.add(path, `needs the environment variable ${name}, which is not set or empty`);
      }
      return found ?? '';
    });
    if (names.length > 0) origins.set(formatPath(path), names);
    return expanded;
  }

  return { value: expand(input, [], []), origins };
}
