import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument, visit } from 'yaml';
import { ConfigError } from './problems.js';

// YAML ends a plain scalar at these inside `{ }`, so `{ key: ${WEB_KEY} }` would be a syntax error. Inside `${...}`
// they become Unicode noncharacters while the text is parsed, one for one, so that positions stay true.
const SPECIAL = '{}[],:#';
const FIRST_STAND_IN = 0xfdd0;

/**
 * Reads a YAML or JSON file (JSON is read as the YAML it is) and returns its plain data, null for an empty file.
 * Throws a ConfigError that says what is wrong as `file:line:column`. It never quotes the file: that may hold secrets.
 */
export function loadConfigFile(path: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(protect(readText(path)), { prettyErrors: false, lineCounter: lines });
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
