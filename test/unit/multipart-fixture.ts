import assert from 'node:assert/strict';
import { createMultipartScanner, type FormField } from '../../src/upload/multipart.js';

export const B = 'b0undary';

export function scan(pieces: readonly Buffer[], boundary = B): FormField[] {
  const scanner = createMultipartScanner(boundary, { fields: ['model', 'stream'], maxFieldBytes: 64 });
  for (const piece of pieces) scanner.write(piece);
  return scanner.end();
}

export function scanText(text: string, boundary = B): [string, string][] {
  const body = Buffer.from(text);
  return scan([body], boundary).map(({ name, value, start, end }) => {
    assert.equal(body.toString('utf8', start, end), value);
    return [name, value];
  });
}

/** One text part with the given headers. */
export function part(headers: string, value = 'whisper-1'): string {
  return `--${B}\r\n${headers}\r\n\r\n${value}\r\n`;
}

export function named(parameters: string, value?: string): string {
  return part(`Content-Disposition: form-data; ${parameters}`, value);
}

export const last = `--${B}--\r\n`;
