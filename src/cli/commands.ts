/** The options of the command line, for parsing and for the help. */
export const options = {
  config: {
    type: 'string',
    short: 'c',
    value: '<file>',
    help: 'YAML or JSON file; without it llm-gateway.yaml, .yml or .json in the working directory',
  },
  host: { type: 'string', value: '<host>', help: 'address to listen on (default 127.0.0.1)' },
  port: {
    type: 'string',
    short: 'p',
    value: '<port>',
    help: 'port to listen on (default 8080); 0 takes a free one',
  },
  db: {
    type: 'string',
    value: '<path>',
    help: 'database file (default ./data/gateway.db); "off" records nothing',
  },
  help: { type: 'boolean', short: 'h', help: 'show this help' },
  version: { type: 'boolean', short: 'v', help: 'show the version' },
} as const satisfies Record<string, Option>;

interface Option {
  type: 'string' | 'boolean';
  short?: string;
  /** Stands for the value in the help. */
  value?: string;
  help: string;
}

export type OptionName = keyof typeof options;

/** What can be asked for, and with which options. */
const commands = {
  serve: { summary: 'start the gateway', options: ['config', 'host', 'port', 'db', 'help'] },
  check: {
    summary: 'say what a configuration means, or what is wrong with it; starts nothing',
    options: ['config', 'help'],
  },
} as const satisfies Record<string, { summary: string; options: readonly OptionName[] }>;

export type CommandName = keyof typeof commands;

export const commandNames: readonly string[] = Object.keys(commands);

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(commands, name);
}

/** The options a command takes; without a command, those that need none. */
export function optionsOf(command: CommandName | null): readonly OptionName[] {
  return command === null ? ['help', 'version'] : commands[command].options;
}

/** The help of one command, or the overview. */
export function helpText(command: CommandName | null): string {
  const head =
    command === null
      ? ['Usage: llm-gateway <command> [options]', '', 'Commands:', ...table(commandRows())]
      : [`Usage: llm-gateway ${command} [options]`, '', capitalised(commands[command].summary)];
  const tail = command === null ? ['', 'llm-gateway <command> --help shows the options of a command.'] : [];
  return [...head, '', 'Options:', ...table(optionsOf(command).map(optionRow)), ...tail, ''].join('\n');
}

type HelpRow = readonly [left: string, right: string];

function commandRows(): HelpRow[] {
  return Object.entries(commands).map(([name, { summary }]) => [name, summary]);
}

function optionRow(name: OptionName): HelpRow {
  const option: Option = options[name];
  const short = option.short === undefined ? '    ' : `-${option.short}, `;
  const value = option.value === undefined ? '' : ` ${option.value}`;
  return [`${short}--${name}${value}`, option.help];
}

function table(rows: readonly HelpRow[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}

function capitalised(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
