/**
 * Calls `chunk` until it says that nothing is left, or until the time is over. At least once. Milliseconds. What the
 * first call throws is thrown; what a later one throws only ends the step, because what was done has to be told.
 */
export function repeat(budgetMs: number, chunk: () => boolean): void {
  const deadline = performance.now() + budgetMs;
  let more = chunk();
  while (more && performance.now() < deadline) {
    try {
      more = chunk();
    } catch {
      return;
    }
  }
}

/** Does `run` for each of the items, until the time is over. At least once. Milliseconds. */
export function within<Item>(budgetMs: number, items: readonly Item[], run: (item: Item) => void): void {
  const deadline = performance.now() + budgetMs;
  for (const item of items) {
    run(item);
    if (performance.now() >= deadline) return;
  }
}
