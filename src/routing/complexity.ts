import type { Digest } from './digest.js';
import { type Tier, tiers } from './names.js';

/** How much of a model a request seems to need. */
export interface Complexity {
  /** 0 for the simplest, 1 for the hardest. */
  readonly score: number;
  /** What the request holds cannot be judged by its text: there are images, nothing to read, or an unknown script. */
  readonly unsure: boolean;
}

/** From which score on a request belongs to the tier. */
export interface Thresholds {
  readonly standard: number;
  readonly frontier: number;
}

/** Used where the configuration sets none. */
export const defaultThresholds: Thresholds = { standard: 0.3, frontier: 0.7 };

/** So near below a threshold the request counts as above it: when in doubt, the better model. */
const MARGIN = 0.05;

/** Instructions stand at the beginning or at the end. What lies between is what they are about. */
const WINDOW = 4096;

/** What is looked at: the whole request in numbers, and the window of the last user message as text. */
interface Sample extends Digest {
  readonly window: string;
}

/**
 * The signals. Each gives a value from 0 to 1, and `weight` is the score that it alone can bring. They add up as
 * independent evidence does, 1 - (1 - a)(1 - b)…, so one more signal never lowers the score.
 */
const signals: readonly { weight: number; value: (sample: Sample) => number }[] = [
  // From 200 tokens on, logarithmic, all of it at 25,600: seven times twice as much.
  { weight: 0.6, value: ({ inputTokens }) => Math.log2(Math.max(1, inputTokens / 200)) / 7 },
  // Code blocks of the last message, or lines that look like code without a fence.
  { weight: 0.4, value: ({ lastUserText, window }) => (fences(lastUserText) || bareCode(window)) / 3 },
  // Different file names: one is a mention, several are a project.
  { weight: 0.4, value: ({ window }) => (distinct(window, FILE) - 1) / 3 },
  // Words that ask for thought.
  { weight: 0.6, value: ({ window }) => distinct(window.toLowerCase(), REASONING) / 3 },
  // Messages so far: 2 are a question, 22 a long conversation.
  { weight: 0.3, value: ({ messages }) => (messages - 2) / 20 },
  // Tools have to be chosen among.
  { weight: 0.4, value: ({ tools }) => Math.sqrt(tools / 10) },
];

// Each run of these characters is entered only at its beginning, and 100 of them are looked at: linear in the text.
const FILE =
  /(?<![\w./-])[\w./-]{1,100}\.(?:[cm]?[jt]sx?|py|go|rs|java|kt|swift|rb|php|cs|cpp|hpp|[ch]|sql|sh|vue|html|css|json|ya?ml|toml|md|tf)\b/g;

const CODE_LINE =
  /^[ \t]{0,40}(?:def \w|class \w|function[ *]|import \w|from \w+ import|export |const \w|let \w|public |private |#include|func \w|fn \w|SELECT |package \w|return\b.{0,80};|\}$)/gm;

/** English, German, French, Spanish, Chinese, Japanese. */
const REASONING =
  /\b(?:prov(?:e|ing)|proof|theorem|deriv(?:e|ation)|step[- ]by[- ]step|reasoning|rigorous(?:ly)?|analy[sz]e|analysis|compare|contrast|evaluate|trade-?offs?|explain why|root cause|edge cases?|debug|diagnose|investigate|refactor|redesign|optimi[sz]e|architecture|architect|algorithm|concurren(?:t|cy)|race condition|strategy|implement|migrat(?:e|ion)|critique|think (?:hard|carefully)|beweise?|herleiten|schritt für schritt|analysiere|vergleiche|begründe|entwirf|démontre[rz]?|étape par étape|analyse[rz]|justifie[rz]?|demuestra|paso a paso|analiza|compara)\b|证明|推导|分析|比较|一步一步|优化|设计|証明|比較|段階的|最適化|設計/g;

/** Judges a request. Takes 5 µs for a short chat and, since it reads 8 kB at most, under 0.3 ms for any other. */
export function assess(content: Digest): Complexity {
  const { lastUserText } = content;
  const window =
    lastUserText.length <= 2 * WINDOW
      ? lastUserText
      : `${lastUserText.slice(0, WINDOW)}\n${lastUserText.slice(-WINDOW)}`;
  const sample = { ...content, window };
  let rest = 1;
  for (const { weight, value } of signals) rest *= 1 - weight * Math.min(1, Math.max(0, value(sample)));
  return {
    score: Math.round((1 - rest) * 1000) / 1000,
    unsure: content.media > 0 || window.trim() === '' || isForeign(window),
  };
}

/** The tier of a request. Unsure means one higher. */
export function tierOf({ score, unsure }: Complexity, thresholds: Thresholds): Tier {
  const { standard, frontier } = thresholds;
  const step = score + MARGIN >= frontier ? 2 : score + MARGIN >= standard ? 1 : 0;
  return tiers[unsure ? step + 1 : step] ?? 'frontier';
}

function fences(text: string): number {
  let found = 0;
  for (let at = text.indexOf('```'); at >= 0 && found < 6; at = text.indexOf('```', at + 3)) found++;
  return Math.ceil(found / 2);
}

/** Three lines that look like code are as much as a code block. */
function bareCode(text: string): number {
  return Math.min(2, Math.floor((text.match(CODE_LINE)?.length ?? 0) / 3));
}

function distinct(text: string, pattern: RegExp): number {
  const found = text.match(pattern);
  return found === null ? 0 : new Set(found).size;
}

/** Whether more than a third is written in a script of which no word is known here. */
function isForeign(text: string): boolean {
  let foreign = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    // From Greek on, without punctuation and the ideographs and kana of which words are known.
    if (unit >= 0x370 && (unit < 0x2000 || (unit >= 0xa000 && unit < 0xd800))) foreign++;
  }
  return foreign * 3 > text.length;
}
