import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { closest } from '../config/problems.js';
import {
  type CommandName,
  commandNames,
  helpText,
  isCommandName,
  type OptionName,
  options,
  optionsOf,
  type Values,
} from './commands.js';
import { type CostCommand, costCommand } from './cost-arguments.js';
import { CommandError, usage } from './failure.js';
import type { KeysCommand } from './keys-arguments.js';

/** What the command line says about settings that the configuration has too. */
export interface Overrides {
  readonly host?: string;
  readonly port?: number;
  /** `off` for no database. */
  readonly db?: string;
}

/** A command line that makes sense. */
export type Command =
  | {
      readonly name: 'serve';
      readonly file: string | null;
      readonly overrides: Overrides;
      /** Processes. */
      readonly workers: number;
    }
  | { readonly name: 'check'; readonly file: string | null }
  | {
      readonly name: 'stats' | 'tail' | 'export' | 'prune';
      readonly file: string | null;
      readonly values: Values;
    }
  | KeysCommand
  | CostCommand
  | { readonly name: 'help'; readonly about: CommandName | null }
  | { readonly name: 'version' };

/** Reads the arguments after the program's name. Rejects with a CommandError with exit code 2 that says what is wrong. */
export async function parseCommand(argv: readonly string[]): Promise<Command> {
  // Not strict: its messages know neither commands nor the nearest option.
  const { tokens, positionals } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const [name, ...operands] = positionals;
  const command = commandOf(name);
  const [surplus] = command === 'keys' ? operands.slice(2) : operands;
  const values: Values = {};
  for (const token of tokens) {
    if (token.kind === 'option') values[knownOption(token, command)] = token.value ?? '';
  }
  if (surplus !== undefined) throw usage(`unexpected argument "${surplus}"`, null, command);
  if (values.help !== undefined) return { name: 'help', about: command };
  if (values.version !== undefined) return { name: 'version' };
  if (command === null) throw new CommandError(`a command is missing\n\n${helpText(null)}`, 2);
  const file = values.config ?? null;
  // It takes schemas, which take time that the rest need not wait for.
  if (command === 'keys') return (await import('./keys-arguments.js')).keysCommand(operands, values);
  if (command === 'cost') return costCommand(values);
  if (command === 'serve') {
    return { name: 'serve', file, overrides: overridesOf(values), workers: workersOf(values.workers) };
  }
  return command === 'check' ? { name: 'check', file } : { name: command, file, values };
}

function commandOf(name: string | undefined): CommandName | null {
  if (name === undefined || isCommandName(name)) return name ?? null;
  throw usage(`unknown command "${name}"`, closest(name, commandNames), null);
}

/** `-` by itself is standard input. */
function isOption(value: string): boolean {
  return value.startsWith('-') && value !== '-';
}

interface OptionToken {
  name: string;
  rawName: string;
  value?: string | undefined;
  inlineValue?: boolean | undefined;
}

function knownOption(token: OptionToken, command: CommandName | null): OptionName {
  const { name, rawName, value } = token;
  const allowed = optionsOf(command);
  const known = allowed.find((option) => option === name);
  if (known === undefined) {
    if (command === null && Object.hasOwn(options, name)) {
      throw usage(`a command must come with ${rawName}`, null, null);
    }
    const where = command === null ? '' : ` for ${command}`;
    const near = closest(name, allowed);
    throw usage(`unknown option ${rawName}${where}`, near === null ? null : `--${near}`, command);
  }
  if (options[known].type === 'boolean') {
    if (value !== undefined) throw usage(`${rawName} takes no value`, null, command);
  } else if (value === undefined || value === '' || (isOption(value) && token.inlineValue !== true)) {
    throw usage(`${rawName} needs a value`, null, command);
  }
  return known;
}

function overridesOf({ host, port, db }: Values): Overrides {
  return {
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port: portOf(port) }),
    ...(db !== undefined && { db }),
  };
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw usage(`--port must be a number between 0 and 65535, got "${text}"`, null, 'serve');
}

/** Each has connections, a database thread and 100 MB of its own. */
const MAX_WORKERS = 128;

function workersOf(text: string | undefined): number {
  if (text === undefined) return 1;
  if (text === 'auto') return Math.min(MAX_WORKERS, availableParallelism());
  const workers = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (workers >= 1 && workers <= MAX_WORKERS) return workers;
  throw usage(
    `--workers must be a whole number from 1 to ${MAX_WORKERS}, or "auto", got "${text}"`,
    null,
    'serve',
  );
}
