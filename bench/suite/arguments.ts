import { parseArgs } from 'node:util';

/** What the command line asked for. */
export interface Options {
  readonly quick: boolean;
  readonly lanes: readonly string[];
  readonly rounds: number | null;
  readonly markdown: boolean;
  /** The file that gets everything that was measured. */
  readonly json: string | null;
  readonly portkey: boolean;
  /** An existing database for the start-up lane. */
  readonly database: string | null;
}

const help = `Measures the gateway against bare Fastify and undici.

  npm run bench -- [options]

  --quick            all lanes in less than a minute: to see that they work, not for figures
  --lane NAME        only this lane; may be given several times
  --rounds N         so many rounds instead of each lane's own number
  --vs portkey       measures @portkey-ai/gateway too, which is installed outside the project
  --database FILE    the start-up lane opens this database, and adds some rows to it
  --markdown         prints the tables as Markdown
  --json FILE        writes every figure of every round to this file
  --help             this text

Lanes:
`;

/** A mistake on the command line. */
export class UsageError extends Error {}

const definitions = {
  quick: { type: 'boolean' },
  lane: { type: 'string', multiple: true },
  rounds: { type: 'string' },
  vs: { type: 'string' },
  database: { type: 'string' },
  markdown: { type: 'boolean' },
  json: { type: 'string' },
  help: { type: 'boolean' },
} as const;

/** Throws a UsageError that says what is wrong; returns the help text when that was asked for. */
export function parseOptions(argv: readonly string[], lanes: ReadonlyMap<string, string>): Options | string {
  const values = read(argv);
  if (values.help === true) {
    const width = Math.max(...[...lanes.keys()].map((name) => name.length));
    return help + [...lanes].map(([name, title]) => `  ${name.padEnd(width)}  ${title}\n`).join('');
  }
  for (const name of values.lane ?? []) {
    if (!lanes.has(name)) {
      throw new UsageError(`there is no lane "${name}", only ${[...lanes.keys()].join(', ')}`);
    }
  }
  if (values.vs !== undefined && values.vs !== 'portkey') {
    throw new UsageError(`--vs knows portkey, got "${values.vs}"`);
  }
  return {
    quick: values.quick ?? false,
    lanes: values.lane ?? [...lanes.keys()],
    rounds: values.rounds === undefined ? null : wholeNumber('--rounds', values.rounds, 100),
    markdown: values.markdown ?? false,
    json: values.json ?? null,
    portkey: values.vs === 'portkey',
    database: values.database ?? null,
  };
}

function read(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: definitions }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Throws a UsageError for anything but an integer from 1 to `most`. */
export function wholeNumber(name: string, text: string, most: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw new UsageError(`${name} must be a whole number from 1 to ${most}, got "${text}"`);
}
