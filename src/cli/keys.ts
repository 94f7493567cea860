import type { Config } from '../config.js';
import { PLAIN_RULES } from '../db/payloads.js';
import type { SmallTasks } from '../db/small-tasks.js';
import { createStore } from '../db/store.js';
import { checkTerms } from '../keys/check.js';
import { type KeyJson, storedKeyJson } from '../keys/json.js';
import { createKeys, type Keys } from '../keys/keys.js';
import { newSecret } from '../keys/secret.js';
import { refuseMissing } from './database.js';
import { CommandError, errorCode } from './failure.js';
import type { KeysCommand } from './keys-arguments.js';
import { load } from './load.js';

const DONE = { create: 'created', revoke: 'revoked', rotate: 'rotated' } as const;

/**
 * Changes the API keys of the configured database, or lists them. No server need run, and one that does follows within
 * seconds. What clients send is printed once, and never again.
 */
export async function keys(command: KeysCommand): Promise<void> {
  const { config } = await load(command.file, command.db === null ? {} : { db: command.db });
  const { database } = config;
  if (database === false || database.path === ':memory:') {
    throw new CommandError('keys are kept in the database, but there is no file: set database.path, or --db');
  }
  if (command.action !== 'create') refuseMissing(database.path);
  const store = createStore({
    path: database.path,
    role: 'write',
    synchronous: 'full',
    payloads: PLAIN_RULES,
  });
  async function run<Task extends keyof SmallTasks>(task: Task, input: SmallTasks[Task]['input']) {
    return await store[task](input);
  }
  const logger = { warn: say, error: say };
  try {
    const known = createKeys({ config, ledger: { run }, logger });
    await act(command, config, known);
  } catch (error) {
    const code = errorCode(error);
    if (error instanceof Error && (code === 'LLM_GATEWAY_DATABASE' || code.startsWith('SQLITE_'))) {
      throw new CommandError(error.message);
    }
    throw error;
  } finally {
    await store.close(null);
  }
}

async function act(command: KeysCommand, config: Config, keys: Keys): Promise<void> {
  const { action, terms, grace } = command;
  if (action === 'list') {
    await keys.refresh();
    print(listText(keys.list().map(storedKeyJson), command.json));
    return;
  }
  const problem = checkTerms(terms, config);
  if (problem !== null) throw new CommandError(problem.message);
  const name = command.key ?? `${terms.scopes?.join('-') ?? 'proxy'}-${newSecret().id}`;
  const changed =
    action === 'create'
      ? await keys.create(name, terms, null)
      : action === 'rotate'
        ? await keys.rotate(name, grace)
        : { ...(await keys.revoke(name)), key: null };
  const { result, key } = changed;
  if (result === 'taken') throw new CommandError(`the name "${name}" belongs to a key that there is, or was`);
  if (result === 'missing') throw new CommandError(`there is no key "${name}" in the database`);
  if (result === 'revoked') throw new CommandError(`the key "${name}" is revoked`);
  const stored = keys.stored(name);
  if (stored === null) throw new CommandError(`the key "${name}" is gone`);
  if (command.json) print(JSON.stringify({ ...storedKeyJson(stored), ...(key !== null && { key }) }));
  else print([`The key "${name}" is ${DONE[action]}.`, ...(key === null ? [] : advice(key))].join('\n'));
}

function advice(key: string): string[] {
  return ['', `  ${key}`, '', 'Keep it now: it is not stored, and cannot be shown again.'];
}

function listText(list: readonly KeyJson[], json: boolean): string {
  if (json) return JSON.stringify({ data: list });
  if (list.length === 0) return 'There are no keys in the database.';
  const rows = list.map((key) => [key.name, key.key ?? '', key.scopes.join(','), stateOf(key)]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

function stateOf({ revoked_at, expires_at, previous_until, budget }: KeyJson): string {
  if (revoked_at !== null) return `revoked ${revoked_at}`;
  const now = new Date().toISOString();
  return [
    expires_at === null ? null : `${expires_at <= now ? 'expired' : 'expires'} ${expires_at}`,
    previous_until === null || previous_until <= now ? null : `its predecessor works until ${previous_until}`,
    budget === null ? null : `${budget.usd} USD per ${budget.per}`,
  ]
    .filter((part) => part !== null)
    .join('; ');
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function say(_details: object, message: string): void {
  process.stderr.write(`llm-gateway: ${message}\n`);
}
