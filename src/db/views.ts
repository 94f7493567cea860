import type { View } from './schema.js';

/** What statistics can be grouped and filtered by, in the order in which rollups are keyed. */
export const DIMENSIONS = ['route', 'provider', 'model', 'key', 'outcome', 'streaming'] as const;

export type Dimension = (typeof DIMENSIONS)[number];

/** The dimensions of one exchange or attempt as text: empty when it has none, `0` or `1` for streaming. */
export type Names = Record<Dimension, string>;

/** Nobody in particular. */
export const NO_NAMES: Names = { route: '', provider: '', model: '', key: '', outcome: '', streaming: '' };

/** The dimensions a summary can keep. */
export const VIEW_DIMENSIONS = ['route', 'provider', 'model', 'key'] as const;

/** The smallest first: of those that can answer a question, the first is read. */
export const VIEWS: readonly (readonly [view: View, kept: readonly Dimension[]])[] = [
  ['route', ['route']],
  ['target', ['provider', 'model']],
  ['key', ['key']],
];

/** The summary that can answer a question about these dimensions; null when it takes the rollups. */
export function viewFor(dimensions: Iterable<Dimension>): View | null {
  const asked = [...dimensions];
  const found = VIEWS.find(([, kept]) => asked.every((name) => kept.includes(name)));
  return found?.[0] ?? null;
}
