import type { ExchangeSummary } from '../db/answers.js';
import type { Values } from './commands.js';
import { CommandError } from './failure.js';
import { followFile } from './follow-file.js';
import { followGateway } from './follow-gateway.js';
import { exchangeLine } from './line.js';
import { endWithReader, stopSignal, write } from './output.js';

/** Where exchanges come from as they end, until the signal is aborted. */
export type Follow = (
  take: (exchange: ExchangeSummary) => Promise<void>,
  signal: AbortSignal,
) => Promise<void>;

/** Prints exchanges as they end, one line each, until it is told to stop. */
export async function tail(file: string | null, values: Values): Promise<void> {
  endWithReader();
  const { url, json, db } = values;
  if (url !== undefined && db !== undefined) {
    throw new CommandError('--url and --db exclude each other: follow a gateway or a file', 2);
  }
  const follow =
    url === undefined
      ? followFile({ file, db })
      : followGateway(url, values.key ?? process.env.LLM_GATEWAY_KEY);
  const signal = stopSignal();
  const lineOf = json === undefined ? exchangeLine : JSON.stringify;
  await follow((exchange) => write(process.stdout, `${lineOf(exchange)}\n`, signal), signal);
}
