import { tierOf } from '../complexity.js';
import type { Strategy } from './strategy.js';

/** The least capable model that is good enough; within a tier the order of the configuration. */
export const complexity: Strategy = {
  order: (targets) => targets,
  tier: ({ facts, entry }) => tierOf(facts.complexity, entry.thresholds),
};
