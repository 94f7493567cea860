import type OpenAI from 'openai';

/** A method of the official client, named by its path from the client, and what it is called with. */
export interface Call {
  method: string;
  args: readonly unknown[];
  /** What sets this call apart from others of the method. */
  what: string | null;
  /** The gateway answers this one itself. */
  own: boolean;
}

type Member<Owner, Path extends string> = Path extends `${infer Head}.${infer Rest}`
  ? Head extends keyof Owner
    ? Member<Owner[Head], Rest>
    : never
  : Path extends keyof Owner
    ? Owner[Path]
    : never;
/** The arguments of each signature of an overloaded method. TypeScript takes the last one if asked for one. */
type Arguments<Path extends string> =
  Member<OpenAI, Path> extends {
    (...args: infer A extends unknown[]): unknown;
    (...args: infer B extends unknown[]): unknown;
    (...args: infer C extends unknown[]): unknown;
    (...args: infer D extends unknown[]): unknown;
  }
    ? A | B | C | D
    : [noSuchMethod: never];

/** A call whose arguments are checked against the client's own types. */
export function call<Path extends string>(method: Path, ...args: Arguments<Path>): Call {
  return { method, args, what: null, own: false };
}

/** The same for one more call of a method. */
export function also<Path extends string>(what: string, method: Path, ...args: Arguments<Path>): Call {
  return { method, args, what, own: false };
}

/** The model as the upstream knows it. */
export const MODEL = 'gpt-4o';

/** A file whose bytes are no text. */
export function file(name: string, type: string): File {
  const bytes = Uint8Array.from({ length: 3_000 }, (_, index) => (index * 7) % 256);
  return new File([bytes, '\r\n--not a boundary\r\nname="model"\r\n'], name, { type });
}
