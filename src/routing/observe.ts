import type { Usage } from '../stream/usage.js';
import type { RequestFacts } from './facts.js';
import { outputKind, sessionKey, speedKind } from './keys.js';
import type { Learned } from './learned.js';
import type { Entry, Target } from './table.js';

/** A request and where it was sent. */
export interface Sent {
  readonly entry: Entry;
  readonly facts: RequestFacts;
  readonly target: Target;
}

/** Takes in what happened to requests. Each is told once; a client that leaves says nothing about a target. */
export interface Observer {
  /** The target gave its first content, `ms` milliseconds after it was asked, at `now` (epoch milliseconds). */
  firstContent(sent: Sent, ms: number, now: number): void;
  /** Another answer was taken, `ms` milliseconds after the target was asked, when it had given no content yet. */
  outrun(sent: Sent, ms: number, now: number): void;
  /** The target failed by its own fault, `ms` milliseconds after it was asked. */
  failed(sent: Sent, ms: number, now: number): void;
  /** The whole answer came, with the usage that the provider reported. */
  answered(sent: Sent, usage: Usage | null): void;
}

/** Fills the memory that choosing reads. */
export function createObserver(learned: Learned): Observer {
  return {
    firstContent(sent, ms, now) {
      if (isChosenAmong(sent)) learned.speeds.answered(speedKind(sent.facts), sent.target.id, ms, now);
    },
    outrun(sent, ms, now) {
      if (isChosenAmong(sent)) learned.speeds.outrun(speedKind(sent.facts), sent.target.id, ms, now);
    },
    failed(sent, ms, now) {
      if (isChosenAmong(sent)) learned.speeds.failed(speedKind(sent.facts), sent.target.id, ms, now);
    },
    answered(sent, usage) {
      const { entry, facts, target } = sent;
      const session = entry.sticky ? sessionKey(entry, facts) : null;
      if (session !== null) learned.sessions.set(session, target.id);
      if (usage === null || usage.inputUncached === null || !isChosenAmong(sent)) return;
      const cached = usage.cacheRead ?? 0;
      const unknown = usage.outputText === null && usage.reasoning === null;
      const output = unknown ? null : (usage.outputText ?? 0) + (usage.reasoning ?? 0);
      learned.amounts.observe(outputKind(entry, facts), target.id, {
        estimatedInput: facts.inputTokens,
        input: usage.inputUncached + cached + (usage.cacheWrite ?? 0),
        cached,
        output,
        cut: output !== null && output >= (facts.maxOutputTokens ?? Number.POSITIVE_INFINITY),
      });
    },
  };
}

/** Names that callers make up for a provider that takes any model would push out what is worth remembering. */
function isChosenAmong({ entry, target }: Sent): boolean {
  return entry.route !== null || target.declared !== null || entry.targets.length > 1;
}
