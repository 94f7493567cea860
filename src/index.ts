import './types.js';

export type { GatewayPluginOptions } from '../plugins/gateway.js';
export { default } from '../plugins/gateway.js';
export type * from './config/types.js';
export { ConfigError, ConfigSchema, type GatewayOptions, parseConfig } from './config.js';
export type { Ledger, LedgerHealth } from './db/ledger.js';
export type { Attempt, EndReason, Exchange, Outcome, UsageSource } from './exchange.js';
export type { LimitPermit, LimitStore, Refusal, Standing, Standings } from './limits/store.js';
export type { Usage } from './stream/usage.js';
