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
  workers: {
    type: 'string',
    short: 'w',
    value: '<n>',
    help: 'processes that share the port and all limits (default 1); "auto" for one on each core',
  },
  since: {
    type: 'string',
    value: '<when>',
    help: 'from when: a span back from now such as 24h, or an ISO 8601 instant',
  },
  until: { type: 'string', value: '<when>', help: 'until when (default now)' },
  by: {
    type: 'string',
    value: '<names>',
    help: 'what to group by, separated by commas (default provider,model)',
  },
  json: { type: 'boolean', help: 'JSON instead of text' },
  format: { type: 'string', short: 'f', value: '<format>', help: 'jsonl (default) or csv' },
  output: { type: 'string', short: 'o', value: '<file>', help: 'file to write (default: standard output)' },
  payloads: { type: 'boolean', help: 'with attempts and captured bodies (jsonl only)' },
  'older-than': { type: 'string', value: '<age>', help: 'remove exchanges of this age, such as 30d' },
  'payloads-older-than': {
    type: 'string',
    value: '<age>',
    help: 'remove captured bodies of this age, such as 7d',
  },
  'max-size': {
    type: 'string',
    value: '<size>',
    help: 'remove the oldest bodies, then the oldest exchanges, until the database is no larger, such as 5GB',
  },
  'dry-run': { type: 'boolean', help: 'remove nothing, say what would be removed' },
  vacuum: { type: 'boolean', help: 'rewrite the whole file, so that one of an early version can shrink' },
  url: { type: 'string', value: '<url>', help: 'a running gateway to follow (default: the database file)' },
  key: {
    type: 'string',
    value: '<key>',
    help: 'an API key of that gateway with the scope "read" (default: LLM_GATEWAY_KEY of the environment)',
  },
  scope: { type: 'string', value: '<list>', help: 'proxy, read, admin, by commas (default proxy)' },
  route: { type: 'string', value: '<list>', help: 'the only routes it may use, by commas' },
  model: {
    type: 'string',
    value: '<name>',
    help: 'a model or a route; for keys patterns such as groq/*, by commas',
  },
  limit: { type: 'string', value: '<list>', help: 'such as requestsPerMinute=60,concurrency=4' },
  budget: {
    type: 'string',
    value: '<usd/per>',
    help: 'such as 50/month, or 5/day/soft; day, week, month or total',
  },
  policy: { type: 'string', value: '<name>', help: 'the policy that holds for all it asks' },
  tag: { type: 'string', value: '<list>', help: 'words of your own, by commas' },
  expires: { type: 'string', value: '<when>', help: 'a date, or a span from now such as 30d' },
  grace: {
    type: 'string',
    value: '<span>',
    help: 'how long the old key works beside the new one (default 24h)',
  },
  'input-tokens': { type: 'string', value: '<n>', help: 'length of the question' },
  'output-tokens': { type: 'string', value: '<n>', help: 'length of the answer' },
  body: { type: 'string', value: '<file>', help: 'the request itself, as JSON; "-" for standard input' },
  endpoint: { type: 'string', value: '<path>', help: 'what it is for (default /v1/chat/completions)' },
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

/** What was given on the command line; a flag is empty text. */
export type Values = Partial<Record<OptionName, string>>;

/** What can be asked for, and with which options. */
const commands = {
  serve: { summary: 'start the gateway', options: ['config', 'host', 'port', 'db', 'workers', 'help'] },
  check: {
    summary: 'say what a configuration means, or what is wrong with it; starts nothing',
    options: ['config', 'help'],
  },
  stats: {
    summary: 'print what was counted, as a table',
    options: ['since', 'until', 'by', 'json', 'config', 'db', 'help'],
  },
  tail: {
    summary: 'print exchanges as they end, one line each',
    options: ['url', 'key', 'json', 'config', 'db', 'help'],
  },
  export: {
    summary: 'write exchanges as JSON lines or CSV, oldest first',
    options: ['format', 'since', 'until', 'payloads', 'output', 'config', 'db', 'help'],
  },
  prune: {
    summary: 'remove what is old; without options what the configuration says (database.retention)',
    options: ['older-than', 'payloads-older-than', 'max-size', 'dry-run', 'vacuum', 'config', 'db', 'help'],
  },
  keys: {
    summary: 'create, list, revoke or rotate the API keys in the database; a server that runs follows',
    operands: '<create|list|revoke|rotate> [name]',
    options: [
      'config',
      'db',
      'scope',
      'route',
      'model',
      'limit',
      'budget',
      'policy',
      'tag',
      'expires',
      'grace',
      'json',
      'help',
    ],
  },
  cost: {
    summary: 'say what a request would cost, and where it would go; sends nothing',
    options: ['config', 'model', 'input-tokens', 'output-tokens', 'body', 'endpoint', 'json', 'help'],
  },
} as const satisfies Record<string, CommandInfo>;

interface CommandInfo {
  summary: string;
  /** What stands between the command and its options. */
  operands?: string;
  options: readonly OptionName[];
}

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
      : [`Usage: llm-gateway ${usageOf(command)} [options]`, '', capitalised(commands[command].summary)];
  const tail = command === null ? ['', 'llm-gateway <command> --help shows the options of a command.'] : [];
  return [...head, '', 'Options:', ...table(optionsOf(command).map(optionRow)), ...tail, ''].join('\n');
}

function usageOf(command: CommandName): string {
  const info: CommandInfo = commands[command];
  return info.operands === undefined ? command : `${command} ${info.operands}`;
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
