import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { UploadError } from '../../src/upload/error.js';
import { boundaryOf, createMultipartScanner } from '../../src/upload/multipart.js';
import { B, last, named, part, scan, scanText } from './multipart-fixture.js';

function refuses(text: string | Buffer, message: RegExp, param: string | null = null): void {
  const body = Buffer.from(text);
  for (const pieces of [[body], Array.from(body, (byte) => Buffer.of(byte))]) {
    assert.throws(
      () => scan(pieces),
      (error) => {
        assert.ok(error instanceof UploadError);
        assert.equal(error.kind, 'malformed');
        assert.match(error.message, message);
        assert.equal(error.param, param);
        return true;
      },
    );
  }
}

test('the boundary is read from a content type, bare or quoted, in any case', () => {
  const cases: [string, string | null][] = [
    ['multipart/form-data; boundary=abc', 'abc'],
    ['Multipart/Form-Data;BOUNDARY="a b:c"', 'a b:c'],
    ['multipart/form-data ; charset=utf-8 ; boundary=----=_Part_1?x ;', '----=_Part_1?x'],
    [`multipart/form-data; boundary=${'x'.repeat(70)}`, 'x'.repeat(70)],
    [`multipart/form-data; boundary=${'x'.repeat(71)}`, null],
    ['multipart/form-data; boundary=""', null],
    ['multipart/form-data; boundary=', null],
    ['multipart/form-data; boundary="abc "', null],
    ['multipart/form-data; boundary="abc', null],
    ['multipart/form-data; boundary="a\\bc"', null],
    ['multipart/form-data; boundary=a; boundary=b', null],
    ["multipart/form-data; boundary=a; Boundary*=utf-8''b", null],
    ['multipart/form-data; boundary=ä', null],
    ['multipart/form-data; boundary=a b', null],
    ['multipart/form-data', null],
    ['multipart/mixed; boundary=abc', null],
    ['application/json', null],
    ['', null],
  ];
  for (const [contentType, boundary] of cases) assert.equal(boundaryOf(contentType), boundary, contentType);
});

test('wanted text fields are reported with their place, other parts are not', () => {
  const body =
    named('name="file"; filename="a.mp3"', 'model=x\r\n --b0undary\r\n\n-b0undary--b0undary\r\n') +
    named('name="model"') +
    named('name="prompt"', 'model') +
    named('name="stream"', 'true') +
    last;
  assert.deepEqual(scanText(body), [
    ['model', 'whisper-1'],
    ['stream', 'true'],
  ]);
});

test('every occurrence of a field is reported, an empty one and one in UTF-8 too', () => {
  const body = named('name="model"', 'a') + named('name="model"', '') + named('name="model"', 'é-模') + last;
  assert.deepEqual(
    scanText(body).map(([, value]) => value),
    ['a', '', 'é-模'],
  );
});

test('a name is recognised in every spelling that a server may understand', () => {
  for (const parameters of [
    'name="model"',
    'name=model',
    'NAME = "model" ;',
    'name="mod\\el"',
    'name="mod%65l"',
    "name*=utf-8'en'mod%65l",
    'name="x"; name*=UTF-8\'\'model',
    'size=3; name="model"',
  ])
    assert.deepEqual(scanText(named(parameters) + last), [['model', 'whisper-1']], parameters);
  for (const headers of [
    'content-type: text/plain\r\nCONTENT-DISPOSITION:form-data;name="model"',
    'Content-Disposition: form-data;\r\n\tname="model"',
    'Content-Disposition : attachment; name="model"\r\nContent-Transfer-Encoding: 8BIT',
  ])
    assert.deepEqual(scanText(part(headers) + last), [['model', 'whisper-1']], headers);
});

test('a name that only resembles a wanted one is another field', () => {
  for (const parameters of [
    'name="Model"',
    'name="model "',
    'name="model[]"',
    'name=""',
    'name="%"',
    'filename="model"; name=f',
  ])
    assert.deepEqual(scanText(named(parameters) + last), [], parameters);
  assert.deepEqual(scanText(named('name="file"; filename="\\"; name=\\"model"') + last), []);
});

test('a preamble, an epilogue, and white space behind boundaries mean nothing', () => {
  const body = `preamble --b0\r\n${named('name="model"')}${last}epilogue`.replaceAll(
    `--${B}\r\n`,
    `--${B} \t\r\n`,
  );
  assert.deepEqual(scanText(body), [['model', 'whisper-1']]);
  assert.deepEqual(scanText(`\r\n${named('name="model"')}--${B}--  `), [['model', 'whisper-1']]);
  assert.deepEqual(scanText(`${named('name="model"')}--${B}--`), [['model', 'whisper-1']]);
});

test('boundaries that contain one another, or only dashes, are told apart', () => {
  for (const boundary of ['-', '--', 'a', '----WebKitFormBoundaryA', ' x', "'()+_,-./:=?"]) {
    const inner = `--${boundary}\r\n-\r\n:--${boundary}a\r\n:--${boundary}-\r\n:--${boundary}--x`;
    const body = `--${boundary}\r\nContent-Disposition: form-data; name="file"\r\n\r\n:${inner}\r\n--${boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--${boundary}--`;
    assert.deepEqual(scanText(body, boundary), [['model', 'm']], boundary);
  }
});

test('a form without parts or without its end is refused', () => {
  refuses('', /no parts/);
  refuses('model=whisper-1', /no parts/);
  refuses(last, /no parts/);
  refuses(`--${B}`, /no parts/);
  refuses(named('name="model"'), /without its closing boundary/);
  refuses(`${named('name="model"')}--${B}`, /without its closing boundary/);
  refuses(`${named('name="model"')}--${B}-`, /without its closing boundary/);
  refuses(`--${B}\r\nContent-Disposition: form-data`, /without its closing boundary/);
});

test('a part whose headers are not clear is refused', () => {
  refuses(part('Content-Type: text/plain') + last, /no valid content-disposition/);
  refuses(`--${B}\r\n\r\nwhisper-1\r\n${last}`, /no valid content-disposition/);
  refuses(part('Content-Disposition: form-data') + last, /no name/);
  refuses(named('filename="a"') + last, /no name/);
  refuses(named('name="model') + last, /no valid content-disposition/);
  refuses(named('name="a"b') + last, /no valid content-disposition/);
  refuses(named('name=a b') + last, /no valid content-disposition/);
  refuses(named('name="a"; name="model"') + last, /a parameter twice/);
  refuses(named('name*0="mod"; name*1="el"') + last, /continuations/);
  refuses(
    part('Content-Disposition: form-data; name=a\r\ncontent-disposition: form-data; name=model') + last,
    /same header twice/,
  );
  refuses(part('nonsense\r\nContent-Disposition: form-data; name=a') + last, /malformed header/);
  refuses(part(': x\r\nContent-Disposition: form-data; name=a') + last, /malformed header/);
  refuses(
    part('X: y\nContent-Disposition: form-data; name=model\r\nContent-Disposition: form-data; name=a') + last,
    /malformed header/,
  );
  refuses(part('Content-Disposition: form-data; name=a\0') + last, /malformed header/);
  refuses(
    `--${B}\r\nContent-Disposition: form-data; name="model"\r\n\r\n${last}`,
    /no line break behind its headers/,
  );
});

test('a wanted field that is a file, encoded, or too long is refused by its name', () => {
  refuses(named('name="model"; filename="m.txt"') + last, /must be text/, 'model');
  refuses(named('name="model"; filename=""') + last, /must be text/, 'model');
  refuses(
    part('Content-Disposition: form-data; name=model\r\nContent-Transfer-Encoding: base64') + last,
    /content-transfer-encoding/,
    'model',
  );
  assert.deepEqual(scanText(named('name="model"', 'x'.repeat(64)) + last), [['model', 'x'.repeat(64)]]);
  refuses(named('name="model"', 'x'.repeat(65)) + last, /`model` is longer than 64 bytes/, 'model');
  refuses(named('name="stream"', 'x'.repeat(1000)), /`stream` is longer than 64 bytes/, 'stream');
});

test('headers, parts and padding have an upper bound', () => {
  const headers = (bytes: number) => {
    const start = 'Content-Disposition: form-data; name=model; x=';
    return part(start + 'x'.repeat(bytes - start.length)) + last;
  };
  assert.equal(scanText(headers(16_384)).length, 1);
  refuses(headers(16_385), /more than 16384 bytes of headers/);
  assert.equal(scanText(named('name="model"').repeat(1000) + last).length, 1000);
  assert.throws(() => scanText(named('name="model"').repeat(1001) + last), /more than 1000 parts/);
  const padded = (bytes: number) => `${named('name="model"')}--${B}--${' '.repeat(bytes)}\r\n`;
  assert.equal(scanText(padded(250)).length, 1);
  refuses(padded(300), /too much white space/);
  refuses(padded(300).slice(0, -2), /too much white space/);
});

test('a boundary in the preamble or the epilogue, which lenient readers would take for one, is refused', () => {
  const hidden = `--${B}\nContent-Disposition: form-data; name="model"\n\nhidden\n`;
  refuses(hidden + named('name="model"') + last, /where none may be/);
  refuses(`x--${B}\r\n${named('name="model"')}${last}`, /where none may be/);
  refuses(named('name="model"') + last + named('name="model"', 'hidden') + last, /where none may be/);
});

test('a line of a file that lenient readers would take for a boundary is refused', () => {
  const hidden = 'Content-Disposition: form-data; name="model"\r\n\r\nhidden';
  const lines = [`\n--${B}\r\n`, `\r--${B}\r\n`, `\r\n--${B}\n`, `\r\n--${B}X\r\n`, `\r\n--${B}--X\r\n`];
  for (const line of [...lines, `\r\n--${B} \t\n`, `\n--${B}--\r\n`]) {
    refuses(named('name="file"; filename="a"', `x${line}${hidden}`) + last, /begins like a boundary/);
    refuses(named('name="stream"', `x${line}${hidden}`) + last, /begins like a boundary|longer than/, null);
  }
  refuses(`${named('name="model"')}--${B}--\n`, /begins like a boundary/);
});

test('of a file nothing is kept but the beginning of a boundary', async () => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const scanner = createMultipartScanner(B, { fields: ['model'], maxFieldBytes: 64 });
  scanner.write(Buffer.from(`--${B}\r\nContent-Disposition: form-data; name="file"\r\n\r\nx`));
  const chunks = Array.from({ length: 3 }, () => {
    const chunk = Buffer.alloc(64 * 1024, '\r\n--b0un');
    scanner.write(chunk);
    scanner.write(Buffer.from('!'));
    scanner.write(chunk);
    return new WeakRef(chunk.buffer);
  });
  // What a WeakRef has shown is kept alive until the present job is over.
  await new Promise(setImmediate);
  collect();
  assert.deepEqual(
    chunks.map((chunk) => chunk.deref()),
    [undefined, undefined, undefined],
  );
  scanner.write(Buffer.from(`dary\r\n${named('name=model').slice(B.length + 4)}${last}`));
  assert.equal(scanner.end().length, 1);
});
