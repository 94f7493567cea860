import { parseBytes, parseDuration } from '../config.js';
import { QueryError } from '../window.js';
import { CommandError } from './failure.js';

/** What the command line says, understood as the HTTP interface would; its mistakes are the user's. */
export function parsed<Result>(parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    const option = error.param === 'group_by' ? '--by' : `--${error.param}`;
    throw new CommandError(error.message.replace(error.param, option), 2);
  }
}

/** Milliseconds of an option such as `30d`. */
export function durationOption(name: string, text: string | undefined): number | null {
  return quantity(name, text, parseDuration, 'a duration such as 12h or 30d');
}

/** Bytes of an option such as `5GB`. */
export function bytesOption(name: string, text: string | undefined): number | null {
  return quantity(name, text, parseBytes, 'a size such as 500MB or 5GB');
}

function quantity(
  name: string,
  text: string | undefined,
  parse: (text: string) => number | null,
  expected: string,
): number | null {
  if (text === undefined) return null;
  const value = parse(text);
  if (value !== null && value > 0) return value;
  throw new CommandError(`--${name} must be ${expected}, got "${text}"`, 2);
}
