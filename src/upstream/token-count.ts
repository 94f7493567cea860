/** A code point of these counts as this part of a token. */
const ASCII = 1 / 4;
/** Accents, Greek, Cyrillic, Hebrew, Arabic: two bytes in UTF-8. */
const TWO_BYTES = 1 / 2.5;
/** The scripts of India and South-East Asia, typographic signs: three bytes, below the East Asian blocks. */
const ALPHABETIC = 1 / 2.7;
/** Chinese, Japanese, Korean. */
const EAST_ASIAN = 1 / 1.5;
/** Half of what a surrogate pair takes: an emoji is one to three tokens. */
const SURROGATE = 1;

/**
 * How many tokens a text has, roughly and not rounded. Fitted to the counts that OpenAI published for one sentence in
 * 20 languages with GPT-4o ("Hello GPT-4o", 2024), whose tokenizer is o200k: the error is below 25 % in each.
 * Source code, JSON and lists of numbers have up to half as many more; long English prose about a tenth fewer. Tokenizers
 * with a small vocabulary take up to three times as many for the scripts of India, and are close elsewhere.
 *
 * In bytes, o200k makes a token of 3.2 to 4.8 bytes in nearly every language, of 5.8 in Russian and of 7 in Hindi; so
 * bytes divided by four, all that is known of a stream, is at most 25 % off in most and 80 % too many in the worst.
 *
 * Cost: 15 µs for 100 kB of ASCII text, 0.2 ms for other text. Linear whatever the text is, unlike a tokenizer.
 */
export function countTokens(text: string): number {
  if (Buffer.byteLength(text) === text.length) return text.length * ASCII;
  let tokens = 0;
  for (let at = 0; at < text.length; at++) tokens += weightOf(text.charCodeAt(at));
  return tokens;
}

function weightOf(unit: number): number {
  if (unit < 0x80) return ASCII;
  if (unit < 0x800) return TWO_BYTES;
  if (unit < 0x2e80) return ALPHABETIC;
  return unit >= 0xd800 && unit < 0xe000 ? SURROGATE : EAST_ASIAN;
}
