import { createBoundedMap } from './bounded.js';
import { addPoint, emptyLine, type Line, valueAt } from './line.js';

/** How many tokens requests turn out to have. `kind` is a route and a family of endpoints. */
export interface Amounts {
  /** Output tokens to expect of targets for a question of so many estimated tokens. */
  output(kind: string, inputTokens: number): (target: string) => number;
  /** Tokens a target counts for one estimated token, and the part of them that it reads from its cache. */
  input(target: string): Readonly<InputRatio>;
  /** What was estimated and what the provider then said. */
  observe(kind: string, target: string, amounts: Observed): void;
}

/** One exchange, in tokens. */
export interface Observed {
  readonly estimatedInput: number;
  readonly input: number;
  readonly cached: number;
  /** Null when the provider did not say. */
  readonly output: number | null;
  /** The answer was as long as it was allowed to be, so perhaps not as long as it would have been. */
  readonly cut: boolean;
}

interface InputRatio {
  scale: number;
  cachedShare: number;
}

interface InputSums {
  estimated: number;
  actual: number;
  cached: number;
}

interface Outputs {
  readonly all: Line;
  readonly targets: Map<string, Line>;
}

/** Each exchange makes the earlier ones count this much less: about the last hundred matter. */
const KEEP = 0.99;
/** From so many exchanges on a target is known well enough to count by itself. */
const ENOUGH = 8;
/** An estimate that was right weighs as much as so many tokens, before anything is known. */
const PRIOR_TOKENS = 100;
const MAX_KINDS = 2000;
const MAX_TARGETS = 5000;
const nothingLearned: Readonly<InputRatio> = { scale: 1, cachedShare: 0 };

/** An empty memory. */
export function createAmounts(): Amounts {
  const outputs = createBoundedMap<Outputs>(MAX_KINDS, () => ({ all: emptyLine(), targets: new Map() }));
  const inputs = createBoundedMap<InputSums>(MAX_TARGETS, () => ({ estimated: 0, actual: 0, cached: 0 }));

  return {
    output(kind, inputTokens) {
      const known = outputs.get(kind);
      const usual = valueAt(known?.all ?? emptyLine(), inputTokens);
      return (target) => {
        const own = known?.targets.get(target);
        return own === undefined || own.weight < ENOUGH ? usual : valueAt(own, inputTokens);
      };
    },
    input(target) {
      const sums = inputs.get(target);
      if (sums === undefined) return nothingLearned;
      return {
        scale: (sums.actual + PRIOR_TOKENS) / (sums.estimated + PRIOR_TOKENS),
        cachedShare: sums.actual === 0 ? 0 : sums.cached / sums.actual,
      };
    },
    observe(kind, target, { estimatedInput, input, cached, output, cut }) {
      const sums = inputs.obtain(target);
      sums.estimated = sums.estimated * KEEP + estimatedInput;
      sums.actual = sums.actual * KEEP + input;
      sums.cached = sums.cached * KEEP + cached;
      if (output === null) return;
      const { all, targets } = outputs.obtain(kind);
      let own = targets.get(target);
      if (own === undefined) {
        own = emptyLine();
        targets.set(target, own);
      }
      for (const line of [all, own]) {
        // Taken as it is, an answer that was cut would make all others look short.
        const whole = cut ? Math.max(output, valueAt(line, estimatedInput)) : output;
        addPoint(line, estimatedInput, whole, KEEP);
      }
    },
  };
}
