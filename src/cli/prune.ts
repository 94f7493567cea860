import { statSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import { openWriter, whileBusy } from '../db/open.js';
import { canShrink, prepareRetention, type RetentionPolicy, type RetentionStep } from '../db/retention.js';
import { wouldRemove } from '../db/retention-preview.js';
import type { Values } from './commands.js';
import { databaseFile, understood } from './database.js';
import { CommandError } from './failure.js';
import { bytesText, countText } from './format.js';
import { load } from './load.js';
import { endWithReader, stopSignal } from './output.js';
import { bytesOption, durationOption } from './parsed.js';

/** A step, and the pause in which a running gateway gets its turn. Milliseconds. */
const STEP_MS = 10;
const PAUSE_MS = 15;
/** How long the lock of a gateway is waited for, which holds it for some milliseconds. */
const BUSY_MS = 10_000;
const PROGRESS_MS = 250;

const nothing = (): RetentionStep => ({ payloads: 0, exchanges: 0, sessions: 0, freed: 0, more: false });

/** Removes what is too old or too much from the database, also while a gateway writes to it. */
export async function prune(file: string | null, values: Values): Promise<void> {
  endWithReader();
  const policy = await policyOf(file, values);
  const path = await databaseFile({ file, db: values.db });
  const client = understood(path, () => openWriter(path, { synchronous: 'normal', waitMs: BUSY_MS }));
  try {
    if (values['dry-run'] !== undefined) preview(client, path, policy);
    else await remove(client, path, policy, values.vacuum !== undefined);
  } finally {
    client.close();
  }
}

/** What is given on the command line counts alone; without any of it, the configuration. */
async function policyOf(file: string | null, values: Values): Promise<RetentionPolicy> {
  const given: RetentionPolicy = {
    exchanges: durationOption('older-than', values['older-than']),
    payloads: durationOption('payloads-older-than', values['payloads-older-than']),
    maxSize: bytesOption('max-size', values['max-size']),
  };
  if (Object.values(given).some((limit) => limit !== null)) return given;
  const database = values.db === undefined ? (await load(file)).config.database : false;
  const policy = database === false ? given : database.retention;
  if (values.vacuum === undefined && Object.values(policy).every((limit) => limit === null)) {
    throw new CommandError(
      'nothing says what to remove: give --older-than, --payloads-older-than or --max-size, or set database.retention',
      2,
    );
  }
  return policy;
}

function preview(client: Database, path: string, policy: RetentionPolicy): void {
  const { exchanges, payloads, size } = wouldRemove(client, policy, Date.now());
  const lines = [
    `${path} holds ${bytesText(size)}; nothing was removed`,
    `exchanges that are too old  ${countText(exchanges)}`,
    `bodies that are too old     ${countText(payloads)}`,
  ];
  if (policy.maxSize !== null) {
    lines.push(`to remove for its size      ${bytesText(Math.max(0, size - policy.maxSize))}`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function remove(
  client: Database,
  path: string,
  policy: RetentionPolicy,
  vacuum: boolean,
): Promise<void> {
  const signal = stopSignal();
  const before = statSync(path).size;
  const retain = prepareRetention(client);
  const total = nothing();
  let shown = 0;
  do {
    const now = Date.now();
    const step = whileBusy(() => retain({ policy, now, budgetMs: STEP_MS, slack: 0 }), BUSY_MS);
    add(total, step);
    if (process.stderr.isTTY && performance.now() - shown > PROGRESS_MS) {
      shown = performance.now();
      process.stderr.write(`\r${removedText(total)} \x1b[K`);
    }
    if (step.more) await wait(PAUSE_MS);
  } while (total.more && !signal.aborted);
  if (shown > 0) process.stderr.write('\r\x1b[K');
  if (vacuum && !signal.aborted) rewrite(client);
  fold(client);
  const stopped = signal.aborted ? 'stopped before the end: ' : '';
  process.stdout.write(
    `${stopped}removed ${removedText(total)}; ${bytesText(before)} before, ${bytesText(statSync(path).size)} now\n`,
  );
  if (!canShrink(client)) {
    process.stdout.write(
      'this file cannot shrink: run "llm-gateway prune --vacuum" once, which rewrites it\n',
    );
  }
}

function add(total: RetentionStep, step: RetentionStep): void {
  total.payloads += step.payloads;
  total.exchanges += step.exchanges;
  total.sessions += step.sessions;
  total.freed += step.freed;
  total.more = step.more;
}

function removedText({ exchanges, payloads, sessions }: RetentionStep): string {
  return `${countText(exchanges)} exchanges, ${countText(payloads)} bodies, ${countText(sessions)} sessions`;
}

/** The whole file, at once: a gateway keeps what it records queued meanwhile. */
function rewrite(client: Database): void {
  process.stderr.write('rewriting the file; a running gateway keeps its records in memory meanwhile\n');
  client.pragma('auto_vacuum = incremental');
  whileBusy(() => client.exec('vacuum'), BUSY_MS);
}

/** The file itself shrinks when its write-ahead log is folded in. Somebody who reads may prevent that; it comes later. */
function fold(client: Database): void {
  client.pragma('wal_checkpoint(truncate)');
}
