import { readFileSync } from 'node:fs';
import { isRecord } from '../stream/json.js';
import { ConfigError } from './problems.js';

// YAML ends a plain scalar at these inside `{ }`, so `{ key: ${WEB_KEY} }` would be a syntax error. Inside `${...}`
// they become Unicode noncharacters while the text is parsed, one for one, so that positions stay true.
const SPECIAL = '{}[],:#';
const FIRST_STAND_IN = 0xfdd0;

/**
 * Reads a YAML or JSON file and returns its plain data, null for an empty file. Rejects with a ConfigError that says what is wrong as `file:line:column`. It never quotes the file: that may hold secrets.
 */
export async function loadConfigFile(path: string): Promise<unknown> {
  const text = readText(path);
  const json = plainJson(text);
  if (json !== undefined) return json;
  // Loaded only now: JSON is read faster than the parser for YAML.
  const { LineCounter, parseDocument, visit } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(protect(text), { prettyErrors: false, lineCounter: lines });
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw new ConfigError(`${path}:${line}:${col} ${withoutQuote(error.message)}`);
  }
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value === 'string') node.value = restore(node.value);
    },
  });
  try {
    return document.toJS();
  } catch (cause) {
    throw new ConfigError(`${path} ${withoutQuote(cause instanceof Error ? cause.message : String(cause))}`);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    const reason = code === 'ENOENT' ? 'there is no such file' : code;
    throw new ConfigError(`${path} cannot be read: ${reason}`);
  }
}

/** A string, and the colon after it if it is a key. */
const JSON_STRING = /"(?:[^"\\]|\\.)*"\s*(:?)/g;

/**
 * What is JSON, with no key given twice. Undefined for all else, which is read as YAML: its parser knows the line of a
 * mistake.
 */
function plainJson(text: string): unknown {
  let keys = 0;
  try {
    const data: unknown = JSON.parse(text, (_key, value: unknown) => {
      if (isRecord(value)) keys += Object.keys(value).length;
      return value;
    });
    const written = [...text.matchAll(JSON_STRING)].filter(([, colon]) => colon === ':').length;
    return written === keys ? data : undefined;
  } catch {
    return undefined;
  }
}

function protect(text: string): string {
  return text.replace(/\$\{[^{}\n]*\}/g, (reference) =>
    Array.from(reference, (character) => {
      const index = SPECIAL.indexOf(character);
      return index < 0 ? character : String.fromCharCode(FIRST_STAND_IN + index);
    }).join(''),
  );
}

function restore(text: string): string {
  return text.replace(/[\ufdd0-\ufdd6]/g, (standIn) =>
    SPECIAL.charAt(standIn.charCodeAt(0) - FIRST_STAND_IN),
  );
}

/** The parser's messages end in the offending text after a colon, and these three without one. */
const quoting = /^(Unknown directive|Unsupported YAML version|Invalid escape sequence) .*$/s;

function withoutQuote(message: string): string {
  return message.replace(/: .*$/s, '').replace(quoting, '$1');
}
