import type { Strategy } from './strategy.js';

/** The order of the configuration. */
export const priority: Strategy = {
  order: (targets) => targets,
};
