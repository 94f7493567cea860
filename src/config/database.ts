import type { Path, Problems } from './problems.js';
import type { DatabaseOptions, DurationOption } from './schema.js';
import type { DatabaseConfig } from './types.js';
import { parseBytes, parseDuration } from './units.js';

const MAX_PAYLOAD = 2 ** 20;
/** A body is prepared for storing in one piece; more would hold up what is written behind it. */
const LARGEST_PAYLOAD = 64 * 2 ** 20;
/** An empty database with its tables is smaller. */
const SMALLEST_DATABASE = 2 ** 20;

/** The ledger's settings with every default filled in. */
export function completeDatabase(options: DatabaseOptions, problems: Problems): DatabaseConfig {
  const { retention = {} } = options;
  const at = (name: string): Path => ['database', 'retention', name];
  return {
    path: options.path ?? './data/gateway.db',
    durability: options.durability ?? 'relaxed',
    capture: options.capture ?? 'none',
    captureEvents: options.captureEvents ?? false,
    maxPayload:
      bytes(options.maxPayload, 1024, LARGEST_PAYLOAD, ['database', 'maxPayload'], problems) ?? MAX_PAYLOAD,
    redact: options.redact ?? [],
    retention: {
      exchanges: age(retention.exchanges, at('exchanges'), problems),
      payloads: age(retention.payloads, at('payloads'), problems),
      maxSize: bytes(retention.maxSize, SMALLEST_DATABASE, Number.MAX_SAFE_INTEGER, at('maxSize'), problems),
    },
  };
}

/** Null when it is not given. Zero would remove what was just recorded, which nobody means. */
function age(option: DurationOption | undefined, path: Path, problems: Problems): number | null {
  if (option === undefined) return null;
  const age = typeof option === 'number' ? option : (parseDuration(option) ?? 0);
  if (age <= 0) problems.add(path, 'must be longer than 0');
  return age;
}

function bytes(
  option: number | string | undefined,
  least: number,
  most: number,
  path: Path,
  problems: Problems,
): number | null {
  if (option === undefined) return null;
  const size = typeof option === 'number' ? option : (parseBytes(option) ?? Number.NaN);
  if (size >= least && size <= most) return size;
  problems.add(path, `must be between ${least} and ${most} bytes`);
  return null;
}
