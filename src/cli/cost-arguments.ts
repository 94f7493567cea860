import type { Values } from './commands.js';
import { usage } from './failure.js';

/** A request whose cost is asked for: by its size, or as it would be sent. */
export interface CostCommand {
  readonly name: 'cost';
  readonly file: string | null;
  /** Null: the one in the body. */
  readonly model: string | null;
  readonly endpoint: string | null;
  /** A file, or `-`; null when sizes are given. */
  readonly body: string | null;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly json: boolean;
}

/** Reads the options of `cost`. Throws a CommandError with exit code 2. */
export function costCommand(values: Values): CostCommand {
  const { model, body, endpoint } = values;
  const inputTokens = tokens('input-tokens', values);
  const outputTokens = tokens('output-tokens', values);
  if (body === undefined && (model === undefined || inputTokens === null)) {
    throw usage('cost needs --body, or --model and --input-tokens', null, 'cost');
  }
  if (body !== undefined && (inputTokens !== null || outputTokens !== null)) {
    throw usage('cost takes either --body, or --input-tokens and --output-tokens', null, 'cost');
  }
  return {
    name: 'cost',
    file: values.config ?? null,
    model: model ?? null,
    endpoint: endpoint ?? null,
    body: body ?? null,
    inputTokens,
    outputTokens,
    json: values.json !== undefined,
  };
}

function tokens(name: 'input-tokens' | 'output-tokens', values: Values): number | null {
  const text = values[name];
  if (text === undefined) return null;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw usage(`--${name} must be a whole number, got "${text}"`, null, 'cost');
}
