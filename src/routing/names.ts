/** Every way to order a route's targets. */
export const strategyNames = [
  'priority',
  'cheapest',
  'fastest',
  'round-robin',
  'weighted',
  'complexity',
] as const;

/** One way to order a route's targets. */
export type StrategyName = (typeof strategyNames)[number];

/** How capable a model is, the least first. */
export const tiers = ['local', 'standard', 'frontier'] as const;

/** One step of capability. */
export type Tier = (typeof tiers)[number];
