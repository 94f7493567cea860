/** How late the event loop was: every exchange in flight waits as long as it is. */
export interface LagSampler {
  /** Something runs that wants to know. Sampling stops by itself when nothing does. */
  wake(): void;
  /** The longest lag since `startTick`, which is of `performance.now()`. Integer microseconds, right to 1 ms. */
  since(startTick: number): number;
}

/** Short enough to see what delays a token, and 50 wake-ups a second cost nothing that can be measured. */
const EVERY_MS = 20;
/** Lags that no later one exceeded; there are a handful unless each is shorter than the one before. */
const MAX_PEAKS = 1000;

/** Samples while `isNeeded`. Its timer does not keep the process alive. */
export function createLagSampler(isNeeded: () => boolean): LagSampler {
  /** Oldest first, and each longer than all that follow it: the first of a span is the longest in it. */
  let peaks: { at: number; lag: number }[] = [];
  let timer: NodeJS.Timeout | null = null;
  let due = 0;

  function sample(): void {
    const now = performance.now();
    note(now, now - due);
    due = now + EVERY_MS;
    if (isNeeded()) return;
    if (timer !== null) clearInterval(timer);
    timer = null;
  }

  function note(at: number, lag: number): void {
    while ((peaks.at(-1)?.lag ?? Number.POSITIVE_INFINITY) <= lag) peaks.pop();
    peaks.push({ at, lag });
    if (peaks.length > MAX_PEAKS) peaks = peaks.slice(MAX_PEAKS / 2);
  }

  return {
    wake() {
      if (timer !== null) return;
      due = performance.now() + EVERY_MS;
      timer = setInterval(sample, EVERY_MS).unref();
    },
    since(startTick) {
      const past = peaks[firstAfter(peaks, startTick)]?.lag ?? 0;
      const present = timer === null ? 0 : performance.now() - due;
      return Math.max(0, Math.round(Math.max(past, present) * 1000));
    },
  };
}

/** The position of the first peak that was noted after an instant. */
function firstAfter(peaks: readonly { at: number }[], instant: number): number {
  let low = 0;
  let high = peaks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((peaks[middle]?.at ?? 0) > instant) high = middle;
    else low = middle + 1;
  }
  return low;
}
