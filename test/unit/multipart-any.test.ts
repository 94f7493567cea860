import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UploadError } from '../../src/upload/error.js';
import { boundaryOf, type FormField } from '../../src/upload/multipart.js';
import { B, last, named, scan } from './multipart-fixture.js';
import { cut, cuts } from './upload-fixture.js';

/** Contents made of what a scanner could stumble over. */
const tricky = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\r\n',
        '\r',
        '\n',
        '--',
        '-',
        ' ',
        B,
        `--${B}`,
        `\r\n--${B}`,
        `\r\n--${B}--`,
        `\r\n--${B.slice(0, 5)}`,
      ),
      fc.string({ maxLength: 5 }),
    ),
    { maxLength: 12 },
  )
  .map((pieces) => pieces.join(''));

/** What RFC 2046 keeps out of a content, in the readings of all servers: a line that begins like a boundary. */
function holdsDelimiter(content: string): boolean {
  return new RegExp(`(^|[\\r\\n])--${B}`).test(content);
}

const formPart = fc.record({
  name: fc.constantFrom('model', 'stream', 'file', 'prompt'),
  content: tricky.filter((content) => !holdsDelimiter(content) && Buffer.byteLength(content) <= 64),
});

test('in any form, cut anywhere, exactly the wanted fields are found where they are', () => {
  fc.assert(
    fc.property(fc.array(formPart, { minLength: 1, maxLength: 6 }), cuts, (parts, positions) => {
      let text = '';
      const expected: FormField[] = [];
      for (const { name, content } of parts) {
        text += `--${B}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`;
        const start = Buffer.byteLength(text);
        text += `${content}\r\n`;
        const value = Buffer.from(content).toString();
        const end = start + Buffer.byteLength(content);
        if (name === 'model' || name === 'stream') expected.push({ name, value, start, end });
      }
      const body = Buffer.from(text + last);
      assert.deepEqual(scan(cut(body, positions)), expected);
      assert.deepEqual(scan(Array.from(body, (byte) => Buffer.of(byte))), expected);
    }),
    { numRuns: 1000 },
  );
});

test('any bytes mean the same however they are cut', () => {
  const token = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(named('name="model"'), named('name="f"; filename="x"', '\r\n')) },
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        `--${B}\r\n`,
        `--${B}`,
        last,
        '\r\n',
        '\r',
        '\n',
        '-',
        '\r\n\r\n',
        ' '.repeat(130),
      ),
    },
    fc.constantFrom('Content-Disposition: form-data; name=model', 'x: y', 'x'.repeat(70)),
  );
  const outcome = (pieces: Buffer[]): FormField[] | string => {
    try {
      return scan(pieces);
    } catch (error) {
      assert.ok(error instanceof UploadError, String(error));
      return error.kind;
    }
  };
  fc.assert(
    fc.property(fc.array(token, { maxLength: 8 }), cuts, (tokens, positions) => {
      const body = Buffer.from(tokens.join(''));
      const whole = outcome([body]);
      assert.deepEqual(outcome(cut(body, positions)), whole);
      assert.deepEqual(outcome(Array.from(body, (byte) => Buffer.of(byte))), whole);
    }),
    { numRuns: 3000 },
  );
});

test('what the platform’s own FormData writes is read back', async () => {
  const entry = fc.tuple(
    fc.oneof(fc.constantFrom('model', 'stream'), fc.string({ unit: 'grapheme', maxLength: 8 })),
    fc.string({ unit: 'grapheme', maxLength: 12 }),
    fc.boolean(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 6 }), cuts, async (entries, positions) => {
      const form = new FormData();
      const expected: [string, string][] = [];
      for (const [name, value, isFile] of entries) {
        const isWanted = name === 'model' || name === 'stream';
        // The platform writes every line break of a text as CRLF.
        if (isWanted) expected.push([name, value.replace(/\r\n?|\n/g, '\r\n')]);
        if (isFile && !isWanted) form.append(name, new Blob([value]), value);
        else form.append(name, value);
      }
      const response = new Response(form);
      const boundary = boundaryOf(response.headers.get('content-type') ?? '');
      assert.ok(boundary !== null);
      const body = Buffer.from(await response.arrayBuffer());
      const found = scan(cut(body, positions), boundary);
      assert.deepEqual(
        found.map(({ name, value }) => [name, value]),
        expected,
      );
    }),
    { numRuns: 300 },
  );
});
