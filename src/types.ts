import type { Budgets } from './budgets/budgets.js';
import type { Scope } from './config/types.js';
import type { Ledger } from './db/ledger.js';
import type { Reports } from './db/reports.js';
import type { Caller, Exchange } from './exchange.js';
import type { Keys } from './keys/keys.js';
import type { Exchanges } from './live.js';
import type { Router } from './routing/router.js';
import type { Upload } from './upload/upload.js';
import type { Upstream } from './upstream/forward.js';
import type { ModelPlace } from './upstream/json-request.js';
import type { Workers } from './workers/workers.js';

export type { Scope };

/** What a route of the gateway says about itself in its `config`. */
export interface GatewayRouteConfig {
  /**
   * The scope a caller needs; `any` for every known caller, `none` for the public. `own`: `read` for everything, or
   * `proxy` for what the caller itself has left, which is what `forcedFilter` is for.
   */
  scope: Scope | 'own' | 'any' | 'none';
  /** Whether a request to this route is an exchange, and so leaves a record. */
  record: boolean;
  /** What the route is for, in `/openapi.json`. */
  summary?: string;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The processes that serve this gateway together. */
    gatewayWorkers: Workers;
    /** The persistent store of exchanges. */
    gatewayLedger: Ledger;
    /** The API keys. */
    gatewayKeys: Keys;
    /** What keys and routes may spend. */
    gatewayBudgets: Budgets;
    /** The exchanges in flight. */
    gatewayExchanges: Exchanges;
    /** Resolves model names to targets. */
    gatewayRouter: Router;
    /** Sends exchanges to the providers. */
    gatewayUpstream: Upstream;
    /** The statistics behind `GET /stats`. */
    gatewayStats: Reports;
  }
  interface FastifyRequest {
    /** The exchange this request opened; null on routes that are not recorded. */
    exchange: Exchange | null;
    /** Who asks; null before it was identified, and on routes for everybody. */
    gatewayCaller: Caller | null;
    /** Who the caller is now, for answers that go on for long: null when it would not be let in any more. */
    gatewayCallerNow(): Caller | null;
    /** The body as the client sent it; null before it was parsed. */
    gatewayBody: Buffer | null;
    /** Where its `model` stands; null when nobody has looked, or it takes a search. */
    gatewayModelPlace: ModelPlace | null;
    /** The form and its files, when the client sent one. */
    gatewayUpload: Upload | null;
  }
  interface FastifyContextConfig {
    gateway?: GatewayRouteConfig;
  }
}
