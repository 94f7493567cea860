import { type DestinationStream, destination, type Logger, levels, pino } from 'pino';
import { CommandError } from './failure.js';

/** The log of the command line. Throws a CommandError for an unknown LOG_LEVEL. */
export async function createLogger(): Promise<Logger> {
  const level = logLevel();
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

/** JSON lines on stdout, or readable ones when somebody is watching. */
async function logStream(): Promise<DestinationStream> {
  if (!process.stdout.isTTY) return destination(1);
  const { default: pretty } = await import('pino-pretty');
  return pretty({ sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' });
}
