/** Loads test files into this process, one after the other; Node's runner then runs their tests in that order. */
import { resolve } from 'node:path';
import { after } from 'node:test';
import { pathToFileURL } from 'node:url';

/** What a failed test leaves open must not hide that it failed. */
const LINGER_MS = 5_000;

for (const file of process.argv.slice(2)) await import(pathToFileURL(resolve(file)).href);
after(() => {
  setTimeout(() => process.exit(), LINGER_MS).unref();
});
