import { createRequire } from 'node:module';
import type * as Undici from 'undici';

type Parts = Pick<typeof Undici, 'Pool' | 'errors' | 'util'>;

const require = createRequire(import.meta.url);

/**
 * What the gateway uses of undici. The package as a whole is 110 modules, most of them its `fetch`, web sockets, caches
 * and mocks: 45 ms of start-up and 8 MB. Its parts have no public names, so whoever has a version in which they are
 * somewhere else gets the whole. A pool that came alone only has `dispatch`.
 */
export const { Pool, errors, util }: Parts = parts() ?? wholeUndici();

function parts(): Parts | null {
  try {
    const { parseHeaders, headerNameToString } = require('undici/lib/core/util.js');
    const found = {
      Pool: require('undici/lib/dispatcher/pool.js'),
      errors: require('undici/lib/core/errors.js'),
      util: { parseHeaders, headerNameToString },
    };
    return isComplete(found) ? found : null;
  } catch {
    return null;
  }
}

function isComplete({ Pool, errors, util }: Parts): boolean {
  return [Pool, Pool.prototype.dispatch, errors.RequestAbortedError, util.parseHeaders].every(
    (part) => typeof part === 'function',
  );
}

/**
 * The package. It puts its own agent behind the global `fetch` of the process, unless that has one already. Node makes its
 * own when a fetch class is first touched: done before, a host's `fetch` stays what it is.
 */
export function wholeUndici(): typeof Undici {
  void globalThis.Response;
  return require('undici');
}
