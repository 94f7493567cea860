/** Tells whether a text matches. */
export type Matcher = (text: string) => boolean;

/**
 * A pattern in which `*` is any text, `/` included; everything else stands for itself, case included. Linear in the
 * text: the pieces between the stars are searched one after the other, never again.
 *
 * @example globMatcher('groq/*')('groq/meta/llama') // true
 */
export function globMatcher(pattern: string): Matcher {
  const pieces = pattern.split('*');
  const first = pieces[0] ?? '';
  const last = pieces.at(-1) ?? '';
  const middle = pieces.slice(1, -1);
  if (pieces.length === 1) return (text) => text === pattern;
  return (text) => {
    if (text.length < first.length + last.length) return false;
    if (!text.startsWith(first) || !text.endsWith(last)) return false;
    const end = text.length - last.length;
    let from = first.length;
    for (const piece of middle) {
      const at = text.indexOf(piece, from);
      if (at < 0 || at + piece.length > end) return false;
      from = at + piece.length;
    }
    return true;
  };
}

const WORD = /[\p{L}\p{N}\p{M}_]/u;
/** Scripts that are written without spaces: there a word may begin and end anywhere. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/** A text as keywords are compared with it. */
export function foldText(text: string): string {
  return text.normalize('NFC').toLowerCase().replace(/\s+/g, ' ');
}

/**
 * Finds a word, or words, as a whole in a folded text: "test" is not in "latest". No case, any script.
 *
 * @example keywordMatcher('debug')(foldText('Please DEBUG this')) // true
 */
export function keywordMatcher(keyword: string): Matcher {
  const wanted = foldText(keyword).trim();
  const characters = Array.from(wanted);
  const opens = joins(characters[0]);
  const closes = joins(characters.at(-1));
  return (text) => {
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
      const before = opens ? characterBefore(text, at) : undefined;
      const after = closes ? characterAt(text, at + wanted.length) : undefined;
      if (!joins(before) && !joins(after)) return true;
    }
    return false;
  };
}

/** Whether the character makes one word with a letter beside it. */
function joins(character: string | undefined): boolean {
  return character !== undefined && WORD.test(character) && !UNSPACED.test(character);
}

function characterAt(text: string, index: number): string | undefined {
  const code = text.codePointAt(index);
  return code === undefined ? undefined : String.fromCodePoint(code);
}

function characterBefore(text: string, index: number): string | undefined {
  if (index === 0) return undefined;
  const unit = text.charCodeAt(index - 1);
  const isSecondHalf = unit >= 0xdc00 && unit < 0xe000 && index > 1;
  return characterAt(text, isSecondHalf ? index - 2 : index - 1);
}
