import { type DestinationStream, type Logger, levels, pino } from 'pino';
import { CommandError } from './failure.js';

/**
 * The log of a process that serves; from then on nothing that becomes of its output ends or holds it. Throws a
 * CommandError for an unknown LOG_LEVEL.
 */
export async function createLogger(): Promise<Logger> {
  const level = logLevel();
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  return pino({ level }, await logStream());
}

function logLevel(): string {
  const level = process.env.LOG_LEVEL || 'info';
  const known = [...Object.values(levels.labels), 'silent'];
  if (known.includes(level)) return level;
  throw new CommandError(
    `the environment variable LOG_LEVEL must be one of ${known.join(', ')}, got "${level}"`,
  );
}

/**
 * JSON lines on stdout, or readable ones when somebody is watching. Through Node's own stream: pino's never gives up on
 * a fatal message, and so holds the process for ever when nobody reads any more.
 */
async function logStream(): Promise<DestinationStream> {
  if (!process.stdout.isTTY) return process.stdout;
  const { default: pretty } = await import('pino-pretty');
  return pretty({ sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' });
}
