import type { GatewayOptions } from '../../src/index.js';

/** The keys that the benchmarks use. */
export const WEB_KEY = 'bench-web-key-0123456789';
export const OPS_KEY = 'bench-ops-key-0123456789';

/** Names of routes, which clients use as the model. */
export type RouteName = 'default' | 'cooldown' | 'failover' | 'queued' | 'mixed';

/** How the ledger is set: `all` stores bodies, `off` is no ledger. */
export type Recording = 'none' | 'all' | 'off';

/** The measured configuration: the defaults, a key, and a route for each lane. `upstream` is the origin of the provider. */
export function configurationFor(upstream: string, path: string, recording: Recording): GatewayOptions {
  const provider = (name: string) => ({
    type: 'openai-compatible' as const,
    baseUrl: `${upstream}/${name}/v1`,
    apiKey: 'upstream',
    models: { bench: { context: 1_000_000, price: { input: 0.5, output: 1.5 } } },
  });
  return {
    database: recording === 'off' ? false : { path, capture: recording },
    keys: [
      // So much that nothing is refused: what counts is that all of it is counted.
      {
        name: 'web',
        key: WEB_KEY,
        limits: { requestsPerMinute: 1_000_000_000, tokensPerMinute: 1_000_000_000_000, concurrency: 10_000 },
        // What was spent is in the ledger.
        ...(recording !== 'off' && { budget: { usd: 1_000_000, per: 'day' as const } }),
      },
      { name: 'ops', key: OPS_KEY, scopes: ['read'] },
    ],
    providers: {
      main: provider('ok'),
      limited: provider('limited'),
      // Asked each time: a breaker would leave it alone after the first few.
      broken: { ...provider('broken'), breaker: false },
      narrow: { ...provider('ok'), limits: { concurrency: 8 } },
      reset: { ...provider('reset'), breaker: false },
    },
    routes: {
      default: { targets: ['main/bench'] },
      cooldown: { targets: ['limited/bench', 'main/bench'] },
      failover: { targets: ['broken/bench', 'main/bench'] },
      queued: { targets: ['narrow/bench'], queue: { maxWait: '30s', maxSize: 100 } },
      mixed: { targets: ['limited/bench', 'reset/bench', 'broken/bench', 'main/bench'] },
    },
  };
}
