import Value from 'typebox/value';
import { closest } from '../config/problems.js';
import { KeyNameSchema, type KeyTermsOptions, KeyTermsSchema } from '../config/schema.js';
import { parseInstantText } from '../config/units.js';
import { parseDuration } from '../config.js';
import { graceMs } from '../keys/check.js';
import type { Values } from './commands.js';
import { usage } from './failure.js';

const actions = ['create', 'list', 'revoke', 'rotate'] as const;
type Action = (typeof actions)[number];

/** What is to be done with the API keys of a database. */
export interface KeysCommand {
  readonly name: 'keys';
  readonly action: Action;
  /** The key's name; null where none was given. */
  readonly key: string | null;
  readonly file: string | null;
  /** The database file; null: that of the configuration. */
  readonly db: string | null;
  readonly terms: KeyTermsOptions;
  /** Milliseconds. */
  readonly grace: number;
  readonly json: boolean;
}

/** What only some of them take. */
const ownOptions: Readonly<Record<Action, readonly (keyof Values)[]>> = {
  create: ['scope', 'route', 'model', 'limit', 'budget', 'policy', 'tag', 'expires'],
  list: [],
  revoke: [],
  rotate: ['grace'],
};

/** Reads the arguments after `keys`. Throws a CommandError with exit code 2. */
export function keysCommand(
  [given, key]: readonly string[],
  values: Values,
  now: number = Date.now(),
): KeysCommand {
  const action = actionOf(given);
  for (const name of Object.values(ownOptions).flat()) {
    if (values[name] === undefined || ownOptions[action].includes(name)) continue;
    throw usage(`unknown option --${name} for keys ${action}`, null, 'keys');
  }
  if (action === 'list' && key !== undefined) throw usage(`unexpected argument "${key}"`, null, 'keys');
  if (key === undefined && (action === 'revoke' || action === 'rotate')) {
    throw usage(`keys ${action} needs the name of a key`, null, 'keys');
  }
  if (action === 'create' && key !== undefined && !Value.Check(KeyNameSchema, key)) {
    throw usage(
      `the name of a key has 1 to 128 characters without whitespace, got ${JSON.stringify(key)}`,
      null,
      'keys',
    );
  }
  return {
    name: 'keys',
    action,
    key: key ?? null,
    file: values.config ?? null,
    db: values.db ?? null,
    terms: termsOf(values, now),
    grace: graceOf(values.grace),
    json: values.json !== undefined,
  };
}

function actionOf(given: string | undefined): Action {
  const action = actions.find((known) => known === given);
  if (action !== undefined) return action;
  if (given === undefined)
    throw usage(`keys needs to be told what to do: ${actions.join(', ')}`, null, 'keys');
  throw usage(`unknown command "keys ${given}"`, closest(given, actions), 'keys');
}

function termsOf(values: Values, now: number): KeyTermsOptions {
  const terms: unknown = {
    ...(values.scope !== undefined && { scopes: list(values.scope) }),
    ...(values.route !== undefined && { routes: list(values.route) }),
    ...(values.model !== undefined && { models: list(values.model) }),
    ...(values.tag !== undefined && { tags: list(values.tag) }),
    ...(values.policy !== undefined && { policy: values.policy }),
    ...(values.limit !== undefined && { limits: limitsOf(values.limit) }),
    ...(values.budget !== undefined && { budget: budgetOf(values.budget) }),
    ...(values.expires !== undefined && { expires: expiryOf(values.expires, now) }),
  };
  if (Value.Check(KeyTermsSchema, terms)) return terms;
  const [first] = Value.Errors(KeyTermsSchema, terms);
  const [, field = ''] = first?.instancePath.split('/') ?? [];
  const option = optionFor[field] ?? 'scope';
  throw usage(`--${option} is not understood: "${values[option]}"`, null, 'keys');
}

const optionFor: Readonly<Record<string, keyof Values>> = {
  scopes: 'scope',
  routes: 'route',
  models: 'model',
  tags: 'tag',
  policy: 'policy',
  limits: 'limit',
  budget: 'budget',
  expires: 'expires',
};

function list(text: string): string[] {
  return text.split(',').map((item) => item.trim());
}

function limitsOf(text: string): Record<string, number> {
  return Object.fromEntries(
    list(text).map((item) => {
      const [name = '', amount = ''] = item.split('=', 2);
      return [name, Number(amount)];
    }),
  );
}

function budgetOf(text: string): Record<string, unknown> {
  const [amount = '', per, kind, ...more] = text.split('/');
  if (more.length > 0 || amount.trim() === '') return {};
  return { usd: Number(amount), per, ...(kind !== undefined && { kind }) };
}

/** Years of more than four digits are no instants of ours. */
const YEAR_10000_MS = Date.UTC(10_000, 0);

/** A date, or a span from now. */
function expiryOf(text: string, now: number): string {
  const span = parseDuration(text);
  if (span !== null && now + span < YEAR_10000_MS) return new Date(now + span).toISOString();
  if (parseInstantText(text) !== null) return text;
  throw usage(
    `--expires must be a date such as 2027-01-31, or a span such as 30d, got "${text}"`,
    null,
    'keys',
  );
}

function graceOf(text: string | undefined): number {
  const ms = graceMs(text);
  if (ms !== null) return ms;
  throw usage(`--grace must be a span such as 24h, of at most 3650d, got "${text}"`, null, 'keys');
}
